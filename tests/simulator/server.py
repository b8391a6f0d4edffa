"""A management server for the tests, written by hand from the specifications; it shares no code with the simulator."""

import base64
import hashlib
import plistlib
import secrets
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, AES256
from cryptography.hazmat.primitives.serialization import KeySerializationEncryption, pkcs7, pkcs12
from cryptography.x509.oid import AttributeOID, NameOID

DER = serialization.Encoding.DER
BASE = "https://mdm.example.org"
TOPIC = "com.apple.mgmt.External.5a9e6b1c"
IDENTIFIER = "org.example.mdm"
MODERN = "AES\nSHA-256\nPOSTPKIOperation\nSCEPStandard\nRenewal\n"
HASHES: Mapping[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}


def certify(
    public: rsa.RSAPublicKey, common_name: str, issuer: x509.Name, key: rsa.RSAPrivateKey, *, ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def digest_of(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


class Server:
    """Call it as a transport: `server(method, url, headers, body)`."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self.key = key
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        self.authority = certify(key.public_key(), "Test Authority", name, key, ca=True)
        self.capabilities = MODERN
        self.rights = 8191
        self.server_capabilities = ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken"]
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.check_ins: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.signers: list[bytes] = []
        self.digests: list[str] = []
        self.ciphers: list[str] = []
        self.challenges: set[str] = set()
        self.queue: dict[str, deque[tuple[str, dict[str, Any]]]] = defaultdict(deque)
        self.bootstrap_token = b""
        self.overrides: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.check_in_answers: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.before_reply: Callable[[str], None] = lambda _url: None

    # What the server hands out

    def profile(self, **changes: Any) -> bytes:
        """An enrolment profile, plain. `changes` go into the MDM payload, `scep` into the SCEP one."""
        challenge = secrets.token_hex(16)
        self.challenges.add(challenge)
        identity = str(uuid.uuid4()).upper()
        der = self.authority.public_bytes(DER)
        scep = {
            "URL": f"{BASE}/scep",
            "Name": "Test",
            "Subject": [[["O", "Example"]], [["CN", "a device"]]],
            "Challenge": challenge,
            "Keysize": 2048,
            "Key Type": "RSA",
            "Key Usage": 5,
            "CAFingerprint": hashlib.sha256(der).digest(),
            **changes.pop("scep", {}),
        }
        top = changes.pop("top", {})
        mdm = {
            "Topic": TOPIC,
            "ServerURL": f"{BASE}/connect",
            "CheckInURL": f"{BASE}/checkin",
            "IdentityCertificateUUID": identity,
            "AccessRights": self.rights,
            "SignMessage": True,
            "CheckOutWhenRemoved": True,
            "ServerCapabilities": self.server_capabilities,
            **changes,
        }
        return configuration(
            [
                payload("com.apple.security.scep", identity, PayloadContent=scep),
                payload("com.apple.security.root", PayloadContent=der),
                payload("com.apple.mdm", **{key: value for key, value in mdm.items() if value is not None}),
            ],
            PayloadIdentifier=IDENTIFIER,
            PayloadOrganization="Example",
            **top,
        )

    def signed(self, content: bytes) -> bytes:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(self.authority, self.key, hashes.SHA256())
        return builder.sign(DER, [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities])

    def enqueue(self, request_type: str, *, user: str = "", command_uuid: str | None = None, **keys: Any) -> str:
        command_uuid = command_uuid or str(uuid.uuid4())
        self.queue[user].append((command_uuid, {"RequestType": request_type, **keys}))
        return command_uuid

    def report_of(self, command_uuid: str) -> dict[str, Any]:
        """The last report about a command."""
        return [report for report in self.reports if report.get("CommandUUID") == command_uuid][-1]

    def said(self, message_type: str) -> list[dict[str, Any]]:
        return [message for message in self.check_ins if message["MessageType"] == message_type]

    # What devices ask

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.requests.append((method, url, headers, body))
        path = urlsplit(url).path
        if path in self.overrides:
            return self.overrides[path]
        self.before_reply(path)
        if path == "/scep":
            return self._scep(method, url, body)
        if path == "/checkin":
            return self._check_in(headers, body)
        if path == "/connect":
            return self._connect(headers, body)
        return 404, {}, b""

    def _check_in(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        assert headers["Content-Type"] == "application/x-apple-aspen-mdm-checkin"
        self._authenticate(headers, body)
        message = plistlib.loads(body)
        self.check_ins.append(message)
        kind = message["MessageType"]
        if kind in self.check_in_answers:
            return self.check_in_answers[kind]
        if kind == "SetBootstrapToken":
            self.bootstrap_token = message["BootstrapToken"]
        if kind == "GetBootstrapToken":
            return 200, {}, plistlib.dumps({"BootstrapToken": self.bootstrap_token})
        return 200, {}, b""

    def _connect(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        assert headers["Content-Type"] == "application/x-apple-aspen-mdm"
        self._authenticate(headers, body)
        report = plistlib.loads(body)
        self.reports.append(report)
        waiting = self.queue[report.get("UserShortName", "")]
        if report["Status"] in {"Acknowledged", "Error", "CommandFormatError"}:
            left = [item for item in waiting if item[0] != report["CommandUUID"]]
            waiting.clear()
            waiting.extend(left)
        if report["Status"] == "NotNow" or not waiting:
            return 200, {"content-length": "0"}, b""
        command_uuid, command = waiting[0]
        return 200, {}, plistlib.dumps({"CommandUUID": command_uuid, "Command": command})

    def _authenticate(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check an Mdm-Signature by hand, and remember who signed."""
        info = cms.ContentInfo.load(base64.b64decode(headers["Mdm-Signature"], validate=True))
        signed = info["content"]
        signer = signed["signer_infos"][0]
        digest = signer["digest_algorithm"]["algorithm"].native
        attributes = {item["type"].native: item["values"][0].native for item in signer["signed_attrs"]}
        assert attributes["content_type"] == "data"
        assert attributes["message_digest"] == digest_of(digest, body)
        der = signed["certificates"][0].chosen.dump()
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(self.authority)
        public = certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        covered = signer["signed_attrs"].untag().dump()
        public.verify(signer["signature"].native, covered, padding.PKCS1v15(), HASHES[digest])
        self.signers.append(der)
        self.digests.append(digest)

    # SCEP

    def _scep(self, method: str, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        query = parse_qs(urlsplit(url).query)
        operation = query["operation"][0]
        if operation == "GetCACaps":
            return 200, {"content-type": "text/plain"}, self.capabilities.encode()
        if operation == "GetCACert":
            return 200, {"content-type": "application/x-x509-ca-cert"}, self.authority.public_bytes(DER)
        assert operation == "PKIOperation"
        message = base64.b64decode(query["message"][0], validate=True) if "message" in query else body
        assert message
        if "message" not in query:
            assert method == "POST"
        return 200, {"content-type": "application/x-pki-message"}, self._answer(message)

    def _answer(self, message: bytes) -> bytes:
        signed = cms.ContentInfo.load(message)["content"]
        signer = signed["signer_infos"][0]
        digest = signer["digest_algorithm"]["algorithm"].native
        values = {item["type"].dotted: item["values"][0].native for item in signer["signed_attrs"]}
        content = signed["encap_content_info"]["content"].native
        assert values["1.2.840.113549.1.9.4"] == digest_of(digest, content)
        requester = x509.load_der_x509_certificate(signed["certificates"][0].chosen.dump())
        public = requester.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(
            signer["signature"].native, signer["signed_attrs"].untag().dump(), padding.PKCS1v15(), HASHES[digest]
        )
        self.digests.append(digest)
        request = x509.load_der_x509_csr(self._open(content))
        assert request.is_signature_valid
        assert request.public_key() == public
        transaction, nonce = values["2.16.840.1.113733.1.9.7"], values["2.16.840.1.113733.1.9.5"]
        challenge = request.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value.decode()
        if challenge not in self.challenges:
            return self._certrep(transaction, nonce, "2", None)
        self.challenges.discard(challenge)
        issued = certify(public, "a device", self.authority.subject, self.key, ca=False)
        certificates = pkcs7.serialize_certificates([issued], DER)
        sealed = (
            pkcs7.PKCS7EnvelopeBuilder()
            .set_data(certificates)
            .set_content_encryption_algorithm(AES256)
            .add_recipient(requester)
            .encrypt(DER, [pkcs7.PKCS7Options.Binary])
        )
        return self._certrep(transaction, nonce, "0", sealed)

    def _open(self, der: bytes) -> bytes:
        enveloped = cms.ContentInfo.load(der)["content"]
        recipient = enveloped["recipient_infos"][0].chosen
        assert recipient["rid"].chosen["serial_number"].native == self.authority.serial_number
        key = self.key.decrypt(recipient["encrypted_key"].native, padding.PKCS1v15())
        content = enveloped["encrypted_content_info"]
        algorithm = content["content_encryption_algorithm"]
        name = algorithm["algorithm"].native
        self.ciphers.append(name)
        iv = algorithm["parameters"].native
        block = AES(key) if name.startswith("aes") else TripleDES(key * (24 // len(key)))
        decryptor = Cipher(block, modes.CBC(iv)).decryptor()
        padded = decryptor.update(content["encrypted_content"].native) + decryptor.finalize()
        return padded[: -padded[-1]]

    def _certrep(self, transaction: str, nonce: bytes, status: str, sealed: bytes | None) -> bytes:
        def attribute(oid: str, value: core.Asn1Value) -> cms.CMSAttribute:
            return cms.CMSAttribute({"type": oid, "values": cms.SetOfAny([core.Any(value)])})

        prefix = "2.16.840.1.113733.1.9."
        attributes = [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(sealed or b"").digest()]}),
            attribute(f"{prefix}2", core.PrintableString("3")),
            attribute(f"{prefix}3", core.PrintableString(status)),
            attribute(f"{prefix}5", core.OctetString(secrets.token_bytes(16))),
            attribute(f"{prefix}6", core.OctetString(nonce)),
            attribute(f"{prefix}7", core.PrintableString(transaction)),
        ]
        if status == "2":
            attributes.append(attribute(f"{prefix}4", core.PrintableString("2")))
        signed_attributes = cms.CMSAttributes(attributes)
        own = asn1_x509.Certificate.load(self.authority.public_bytes(DER))
        sid = cms.IssuerAndSerialNumber({"issuer": own.issuer, "serial_number": own.serial_number})
        info = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
                "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "signed_attrs": signed_attributes,
                "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
                "signature": self.key.sign(signed_attributes.dump(), padding.PKCS1v15(), hashes.SHA256()),
            }
        )
        data = cms.SignedData(
            {
                "version": "v1",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "data", "content": sealed or b""},
                "signer_infos": [info],
            }
        )
        der: bytes = cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()
        return der


def payload(kind: str, payload_uuid: str | None = None, **keys: Any) -> dict[str, Any]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{IDENTIFIER}.{kind}.{secrets.token_hex(4)}",
        "PayloadUUID": payload_uuid or str(uuid.uuid4()).upper(),
        **keys,
    }


def configuration(payloads: list[dict[str, Any]], **keys: Any) -> bytes:
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": "org.example.profile",
            "PayloadUUID": str(uuid.uuid4()).upper(),
            "PayloadDisplayName": "A profile",
            "PayloadContent": payloads,
            **keys,
        }
    )


def sealed_for_devices(password: str) -> KeySerializationEncryption:
    """How a PKCS#12 is protected that every Apple device opens: 3DES and SHA-1."""
    builder = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2048)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    return builder.hmac_hash(hashes.SHA1()).build(password.encode())
