"""Apple's page in the console's settings: the push certificate, and which old algorithms devices still use."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from django import forms
from django.conf import settings
from django.core.validators import FileExtensionValidator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from mydevices.audit.actor import Actor
from mydevices.certificates import selectors as certificates
from mydevices.devices import selectors as devices
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import push_certificate
from mydevices.port.registering import Document
from mydevices.port.settings import Caution, Countdown, FirstStep, SettingsPage, State
from mydevices.presentation import moments

LONGEST_FILE: Final = 1024 * 1024
"""Bytes read of a certificate: far more than any has. The verb refuses what is no certificate."""


class PushCertificateForm(forms.Form):
    certificate = forms.FileField(
        label=lazy("Certificate from Apple"),
        help_text=lazy("The .pem file that Apple gave you for the request."),
        validators=[FileExtensionValidator(["pem", "cer", "crt", "der"])],
    )


class PushCertificatePage(SettingsPage):
    title: ClassVar = lazy("Apple push certificate")
    template: ClassVar = "apple/settings.html"
    form: ClassVar = PushCertificateForm

    def state(self, now: datetime) -> State:
        present, warning = push_certificate.current(), push_certificate.warning(now)
        if present is None or present.not_after is None:
            text = _("Without it no Apple device can be registered or woken.")
            return State(_("No certificate yet"), warning or text, _("Get one"), is_well=False)
        title = format_html(_("Valid until {day}"), day=moments.day(present.not_after))
        text = _("Wakes Apple devices. You are told 30, 7 and 1 days before it ends.")
        return State(title, warning or text, _("Renew it"), is_well=not warning)

    def caution(self, now: datetime) -> Caution | None:
        text = push_certificate.warning(now)
        if not text:
            return None
        if push_certificate.current() is None:
            title = _("There is no Apple push certificate")
            return Caution(title, text, _("Get certificate"))
        return Caution(_("Renew the Apple push certificate"), text, _("Renew certificate"))

    def countdown(self, now: datetime) -> Countdown | None:
        present = push_certificate.current()
        if present is None or present.not_after is None:
            return None
        left = max(0, push_certificate.days(present.not_after - now))
        text = _(
            "It ends on {day}. If it lapses, no lock, wipe or check in reaches an Apple device until it is renewed."
        )
        return Countdown(
            left,
            ngettext("day left for Apple push", "days left for Apple push", left),
            format_html(text, day=moments.day(present.not_after)),
            bool(push_certificate.warning(now)),
        )

    def first_step(self) -> FirstStep:
        return FirstStep(
            _("Get an Apple push certificate"),
            _("With it this server wakes iPhones, iPads and Macs. Nobody can register one before."),
            _("Get certificate"),
            push_certificate.current() is not None,
        )

    def context(self, now: datetime) -> Mapping[str, object]:
        present = push_certificate.current()
        return {
            "present": present,
            "ends": moments.day(present.not_after) if present and present.not_after else "",
            "warning": push_certificate.warning(now),
            "old_digests": devices.of_old_digest().count(),
            "allows_sha1": settings.ENVIRONMENT.allow_sha1_signatures,
            "old_scep": certificates.asked_weakly().count(),
            "allows_old_scep": settings.ENVIRONMENT.allow_weak_scep,
        }

    def save(self, *, actor: Actor, form: forms.Form, now: datetime) -> str:
        pem = form.cleaned_data["certificate"].read(LONGEST_FILE)
        push_certificate.install(actor=actor, pem=pem, now=now)
        return _("Installed. Apple devices are woken with it from now on.")

    def file(self, *, actor: Actor) -> Document:
        """The request for a certificate."""
        pem = push_certificate.request(actor=actor, organisation_name=organisation.current().name)
        return Document(pem, "application/x-pem-file", "mydevices-push.csr")
