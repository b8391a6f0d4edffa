"""What can go wrong, as one small tree. Each edge (portal, device plane, command line) translates it once.

MyDevicesError
├── Invalid                      input that cannot be accepted
│   ├── ProtocolError            bytes from a device that are not what the specification says
│   └── CannotOpen               a sealed field that does not open: wrong key, wrong row, or damaged
├── NotAllowed                   the rules forbid it to this actor
│   ├── ForbiddenByPolicy        a policy says no: the message names it, and whom to ask
│   └── LimitedSession           the actor has given a password and no second factor, and this needs both
├── Unsupported                  this device cannot do it
├── NotFound                     no such thing, or not for this actor
│   └── NotTheirs                there is one, of somebody else: told like none, and written down
├── Waits                        nothing is wrong: another administrator is asked first
├── Conflict                     somebody else was faster, or the state has moved on
└── TooMany                      a rate limit

NeedsFreshAuthentication stands beside the tree. It is no answer to what was asked but a question back: who asks must
prove again who they are. Nothing that turns refusals into sentences may take it for one, so nothing that catches a
MyDevicesError catches it. The edge asks the question, in one place (`presentation.proof_page`).

Services know no HTTP status: `portal`, `front` and the endpoints choose it.
"""

from uuid import UUID


class MyDevicesError(Exception):
    """The root. `message` is a sentence for the person who asked, and says what to do where something can be done."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class Invalid(MyDevicesError):
    """The input cannot be accepted as it is."""


class ProtocolError(Invalid):
    """A device, or somebody who pretends to be one, sent bytes that the specification does not allow."""


class CannotOpen(Invalid):
    """A sealed field does not open: wrong master key, copied from another row, or damaged."""


class NotAllowed(MyDevicesError):
    """The rules forbid this to this actor."""


class ForbiddenByPolicy(NotAllowed):
    """A policy does not let this actor do it. The message names the policy and whom to ask."""


class LimitedSession(NotAllowed):
    """The actor has given a password and no second factor, and what they ask needs both."""


class Unsupported(MyDevicesError):
    """The device, its platform or its kind of registration cannot do this."""


class NotFound(MyDevicesError):
    """There is no such thing, or none that this actor may know of."""


class NotTheirs(NotFound):
    """There is one, but it is somebody else's. Whoever asked is told the same as of none; the edge writes it down."""


class Conflict(MyDevicesError):
    """The state has moved on: somebody else was faster, or it was done already."""


class Waits(MyDevicesError):
    """Nothing is wrong and nothing has changed yet: another administrator is asked first. `approval` is the id of what
    waits (`accounts.approvals`)."""

    def __init__(self, message: str, approval: UUID) -> None:
        super().__init__(message)
        self.approval = approval


class TooMany(MyDevicesError):
    """Too many attempts; wait before trying again."""


class NeedsFreshAuthentication(Exception):
    """The actor's last proof of identity is too old for what they ask. Not a MyDevicesError: see above."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message
