from mydevices.accounts.models.approvals import Approval, ApprovalRules, ReachedDevice
from mydevices.accounts.models.attempts import Attempts
from mydevices.accounts.models.email_changes import EmailChange
from mydevices.accounts.models.factors import FactorCounter, FactorRemoval, SetAsideFactor
from mydevices.accounts.models.passwords import FormerPassword, SignInRules
from mydevices.accounts.models.people import AddressKey, Group, Membership, People, Person, PersonWord, normalised
from mydevices.accounts.models.providers import Provider, ProviderLink

__all__ = [
    "AddressKey",
    "Approval",
    "ApprovalRules",
    "Attempts",
    "EmailChange",
    "FactorCounter",
    "FactorRemoval",
    "FormerPassword",
    "Group",
    "Membership",
    "People",
    "Person",
    "PersonWord",
    "Provider",
    "ProviderLink",
    "ReachedDevice",
    "SetAsideFactor",
    "SignInRules",
    "normalised",
]
