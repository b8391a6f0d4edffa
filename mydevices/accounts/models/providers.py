"""Where the organisation's people sign in, and which of their accounts there are theirs."""

from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from mydevices import looser
from mydevices.accounts.models.people import Person
from mydevices.names import LineField


class Provider(models.Model):
    """Where the organisation's people sign in with the account they have there already: an OpenID Connect provider."""

    id = models.SlugField(primary_key=True, max_length=40)
    """Part of the address that the provider sends people back to."""
    name = LineField(max_length=80)
    """Stands on the button: “Continue with Aldermoor ID”."""
    issuer = models.URLField(max_length=300)
    client_id = models.CharField(max_length=300)
    client_secret = models.BinaryField(null=True)
    """Sealed; null for a public client."""
    groups_claim = models.CharField(max_length=80, blank=True)
    """The claim that lists a person's groups; empty: groups are made here."""
    group_names = models.JSONField(default=dict, blank=True)
    """From a value of that claim to the name of a group here. A value that is the name of a group needs no entry."""
    makes_people = models.BooleanField(default=True)
    """Whoever signs in there gets an account here. Otherwise only those who were invited."""
    vouches_for_addresses = models.BooleanField(default=False)
    """Its addresses are its people's own, even where it does not say `email_verified`."""
    domains = models.JSONField(default=list, blank=True)
    """Domains whose addresses are the provider's to give. Only somebody with such an address can be given an account
    that is here already; none: nobody is."""
    is_required = models.BooleanField(default=False)
    """Everybody signs in here; passwords are for local administrators."""
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "name": looser.neither("stands on a button"),
        "issuer": looser.OTHER,
        "client_id": looser.OTHER,
        "client_secret": looser.neither("proves this server to the provider, and nobody to this server"),
        "groups_claim": looser.OTHER,
        "group_names": looser.OTHER_ENTRIES,
        "makes_people": looser.HIGHER,
        "vouches_for_addresses": looser.HIGHER,
        "domains": looser.MORE,
        "is_required": looser.LOWER,
        "is_enabled": looser.HIGHER,
        "created_at": looser.neither("is written by the server"),
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="one_provider_per_name",
                violation_error_message=_("There is a provider of this name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProviderLink(models.Model):
    """An account at a provider that signs its person in here. Known by the issuer and its name for the person: another
    issuer may call somebody else the same, and the same provider here may be given another issuer."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="provider_links")
    provider = models.CharField(max_length=64)
    """The provider's id here."""
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    manages = models.BooleanField(default=True)
    """Whether name, address and groups follow the provider. They do not where somebody linked it to their account by
    themselves."""
    linked_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_person_per_account_of_an_issuer")
        ]
        indexes = [models.Index(fields=["provider", "issuer"], name="links_of_a_provider")]
