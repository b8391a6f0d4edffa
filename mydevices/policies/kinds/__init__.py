"""The kinds of policies, one module each. A kind is a frozen dataclass of fields with defaults that hold where nobody
has decided; how its form is laid out is the console's affair."""

from collections.abc import Mapping
from typing import Final

from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.kinds.self_service import SelfServiceRules

KINDS: Final[Mapping[str, type[Kind]]] = {kind.name(): kind for kind in (RegistrationRules, Privacy, SelfServiceRules)}
"""By the name that rows carry; in the order in which pages list them."""
