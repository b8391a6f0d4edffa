"""What can go wrong on a simulated device.

SimulatorError
  Unreachable     the network, or a server that answers nothing useful
  Refused         the device says no, with the error chain that it would report
  Malformed       a command the device cannot read (CommandFormatError)
  Deferred        a command the device cannot do now (NotNow)
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One link of an ErrorChain: domain and code as devices report them, and a sentence for people."""

    domain: str
    code: int
    text: str


class SimulatorError(Exception):
    """Everything the simulator raises on purpose. The message is for people."""


class Unreachable(SimulatorError):
    """The server did not answer, or not with success. `status` is 0 when there was no answer at all."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Refused(SimulatorError):
    """The device refuses, and reports the chain: the outermost fault first."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(": ".join(fault.text for fault in faults))
        self.faults: Sequence[Fault] = faults


class Malformed(SimulatorError):
    """The command lacks a key or has one of the wrong type."""


class Deferred(SimulatorError):
    """Not now: ask again later."""


# The domains are those that iOS and macOS report; codes as far as they are publicly known.
MDM = "MCMDMErrorDomain"
PROFILE = "MCProfileErrorDomain"
PAYLOAD = "MCPayloadErrorDomain"
INSTALLATION = "MCInstallationErrorDomain"
PASSCODE = "MCPasscodeErrorDomain"
CERTIFICATE = "MCCertificateErrorDomain"
WEB_CLIP = "MCWebClipErrorDomain"
EMAIL = "MCEmailErrorDomain"
EAS = "MCEASErrorDomain"
SCEP = "MCSCEPErrorDomain"
MAC = "MDMClientError"


def refuse(domain: str, code: int, text: str) -> Refused:
    return Refused(Fault(domain, code, text))
