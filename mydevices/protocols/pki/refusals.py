"""Why an uploaded certificate file is refused: each reason with a code that never changes and a sentence for people.

Refused                   the file cannot be taken as it is; `reason` says which of all reasons
├── NotPkcs12             it is something else, or nothing that can be read
├── TooMuchWork           to open it would take more work than any real file asks for
└── WrongPassword         the password is not that of the file
"""

from enum import Enum

from mydevices.errors import Invalid


def gettext_noop(text: str) -> str:
    """Name a sentence for the catalogues of messages. Whoever shows it translates it: there is no Django here."""
    return text


_EXPORT = gettext_noop("Export the certificate together with its private key, as a file that ends in .p12 or .pfx.")


class Reason(Enum):
    """The code that pages translate and link help by, and what to say in plain English."""

    TOO_LARGE = (
        "too-large",
        gettext_noop("The file is larger than 64 kB, and no file of one certificate is."),
        _EXPORT,
    )
    # It is something else.
    EMPTY = ("empty", gettext_noop("The file is empty."), _EXPORT)
    CERTIFICATE_ALONE = ("certificate-alone", gettext_noop("This is a certificate without its private key."), _EXPORT)
    CERTIFICATE_TEXT = (
        "certificate-text",
        gettext_noop("This is a text file (PEM) of a certificate without its private key."),
        _EXPORT,
    )
    KEY_ALONE = ("key-alone", gettext_noop("This is a private key without its certificate."), _EXPORT)
    KEY_TEXT = (
        "key-text",
        gettext_noop("This is a text file (PEM) of a private key without its certificate."),
        _EXPORT,
    )
    BOTH_TEXT = (
        "both-text",
        gettext_noop(
            "This is a text file (PEM) of a certificate and its private key. Turn it into a PKCS #12 file: "
            "openssl pkcs12 -export -in FILE -out certificate.p12"
        ),
    )
    CERTIFICATES_ONLY = (
        "certificates-only",
        gettext_noop("This file (PKCS #7, often .p7b) holds certificates and no private key."),
        _EXPORT,
    )
    CERTIFICATE_REQUEST = (
        "certificate-request",
        gettext_noop(
            "This is a request for a certificate, not the certificate. Choose the file that was made of the "
            "answer to it and of its private key."
        ),
    )
    ENCRYPTED_MESSAGE = (
        "message",
        gettext_noop("This is a signed or encrypted message (S/MIME), not a certificate with its private key."),
        _EXPORT,
    )
    JAVA_KEYSTORE = (
        "java-keystore",
        gettext_noop(
            "This is a Java keystore of the old kind. Convert it: keytool -importkeystore -srckeystore FILE "
            "-destkeystore certificate.p12 -deststoretype PKCS12"
        ),
    )
    OPENPGP = (
        "openpgp",
        gettext_noop(
            "This is an OpenPGP key. E-mail programs of devices sign and encrypt with S/MIME, which needs a "
            "certificate."
        ),
    )
    SSH_KEY = (
        "ssh-key",
        gettext_noop("This is a key for SSH. To sign and encrypt e-mail, a certificate is needed."),
        _EXPORT,
    )
    WEB_PAGE = (
        "web-page",
        gettext_noop(
            "This is a web page and not a certificate: the download did not work. Sign in there, and download it again."
        ),
    )
    ARCHIVE = (
        "archive",
        gettext_noop("This is an archive. Unpack it, and choose the file in it that ends in .p12 or .pfx."),
    )
    SOMETHING_ELSE = (
        "something-else",
        gettext_noop("This is not a PKCS #12 file. Choose one that ends in .p12 or .pfx."),
    )
    # It is a PKCS #12, and cannot be opened.
    DAMAGED = ("damaged", gettext_noop("The file is damaged or incomplete. Copy or export it once more."))
    NESTED = ("nested", gettext_noop("The file is nested more deeply than any real one. Export the certificate again."))
    UNKNOWN_CONTENT = (
        "unknown-content",
        gettext_noop(
            "The file is protected by a certificate instead of a password, or holds parts that are not known "
            "here. Export the certificate again, protected by a password."
        ),
    )
    UNKNOWN_ENCRYPTION = (
        "unknown-encryption",
        gettext_noop(
            "The file is encrypted in a way that is not known here. Export it again with AES-256 or Triple DES."
        ),
    )
    TOO_MUCH_WORK = (
        "too-much-work",
        gettext_noop(
            "The file takes too much work to open. Export it again with a common number of iterations, such as 10,000."
        ),
    )
    WRONG_PASSWORD = (
        "wrong-password",
        gettext_noop("The password is not the one of this file. Type the one it was exported with."),
    )
    TWO_PASSWORDS = (
        "two-passwords",
        gettext_noop(
            "Parts of the file have different passwords. Export the certificate and its private key under one password."
        ),
    )
    # It is open, and its parts are not what is needed.
    NO_PRIVATE_KEY = ("no-private-key", gettext_noop("The file holds no private key."), _EXPORT)
    SEVERAL_PRIVATE_KEYS = (
        "several-private-keys",
        gettext_noop("The file holds more than one private key. Export each certificate into a file of its own."),
    )
    NO_CERTIFICATE = ("no-certificate", gettext_noop("The file holds a private key and no certificate."), _EXPORT)
    KEY_MISMATCH = (
        "key-mismatch",
        gettext_noop(
            "The private key in the file does not belong to any certificate in it. Export the certificate again "
            "from where its key was made."
        ),
    )
    UNUSABLE_KEY = (
        "unusable-key",
        gettext_noop(
            "The private key is damaged or of a kind that e-mail programs cannot use. RSA keys of 2,048 to 8,192"
            " bits work, and keys on the curves P-256, P-384 and P-521."
        ),
    )
    UNUSABLE_CERTIFICATE = (
        "unusable-certificate",
        gettext_noop(
            "The certificate in the file is damaged, or not made as the standard asks. Have a new one issued."
        ),
    )

    def __init__(self, code: str, *sentences: str) -> None:
        self.code = code
        self.sentences = sentences
        """Each a message of its own in the catalogues."""
        self.text = " ".join(sentences)


_SOMETHING_ELSE = {
    Reason.EMPTY,
    Reason.CERTIFICATE_ALONE,
    Reason.CERTIFICATE_TEXT,
    Reason.KEY_ALONE,
    Reason.KEY_TEXT,
    Reason.BOTH_TEXT,
    Reason.CERTIFICATES_ONLY,
    Reason.CERTIFICATE_REQUEST,
    Reason.ENCRYPTED_MESSAGE,
    Reason.JAVA_KEYSTORE,
    Reason.OPENPGP,
    Reason.SSH_KEY,
    Reason.WEB_PAGE,
    Reason.ARCHIVE,
    Reason.SOMETHING_ELSE,
}


class Refused(Invalid):
    """The file cannot be taken as it is; `message` says what to do."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason

    @property
    def code(self) -> str:
        return self.reason.code


class NotPkcs12(Refused):
    """The file is something else."""


class TooMuchWork(Refused):
    """Opening the file would take more work than any real file asks for."""

    def __init__(self) -> None:
        super().__init__(Reason.TOO_MUCH_WORK)


class WrongPassword(Refused):
    """The password is not the one of the file."""

    def __init__(self) -> None:
        super().__init__(Reason.WRONG_PASSWORD)


def refusal(reason: Reason) -> Refused:
    """The exception for a reason, of the right class."""
    if reason is Reason.TOO_MUCH_WORK:
        return TooMuchWork()
    if reason is Reason.WRONG_PASSWORD:
        return WrongPassword()
    return (NotPkcs12 if reason in _SOMETHING_ELSE else Refused)(reason)
