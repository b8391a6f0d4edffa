"""What a platform needs before its devices can be managed (a certificate, an account), in the console's settings and
on its overview."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django import forms

from mydevices.audit.actor import Actor
from mydevices.port.registering import Document, Words


@dataclass(frozen=True, slots=True)
class State:
    """How it stands, as the list of settings says it."""

    title: str
    text: str
    button: str
    """“Renew it”: leads to the page."""
    is_well: bool


@dataclass(frozen=True, slots=True)
class Caution:
    """What an administrator has to do, soon or at once."""

    title: str
    text: str
    button: str


@dataclass(frozen=True, slots=True)
class Countdown:
    """How long something still lasts that the platform cannot do without."""

    days: int
    unit: str
    """“days left for the push service”, in the number's own form."""
    text: str
    """When that is, and what follows."""
    warns: bool


@dataclass(frozen=True, slots=True)
class FirstStep:
    """What is to be done before the first device can be registered."""

    title: str
    text: str
    button: str
    is_done: bool


class SettingsPage(ABC):
    """A page of the console's settings that belongs to a platform: one form, and a file to download. Who may see and
    change it, the console decides; verbs ask for themselves as well."""

    title: ClassVar[Words]
    template: ClassVar[str]
    """Extends “console/settings_form.html”, and is given `form`, `may_change`, `page_url`, `file_url` and what
    `context` says."""
    form: ClassVar[type[forms.Form]]

    @abstractmethod
    def state(self, now: datetime) -> State:
        """How it stands."""

    @abstractmethod
    def caution(self, now: datetime) -> Caution | None:
        """What is missing or about to end; None where all is well. The overview, the start of the server and `doctor`
        say it."""

    @abstractmethod
    def countdown(self, now: datetime) -> Countdown | None:
        """None where nothing ends."""

    @abstractmethod
    def first_step(self) -> FirstStep:
        """Where a new installation begins."""

    @abstractmethod
    def context(self, now: datetime) -> Mapping[str, object]:
        """What the template shows beside the form."""

    @abstractmethod
    def save(self, *, actor: Actor, form: forms.Form, now: datetime) -> str:
        """Do what the valid form says, and give the sentence that says so. Raises Invalid and Conflict, which stand in
        the form then, and as verbs do for who may not."""

    @abstractmethod
    def file(self, *, actor: Actor) -> Document:
        """The file that is downloaded."""
