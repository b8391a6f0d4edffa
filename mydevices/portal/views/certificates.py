"""My Certificates: the table, and one question for each thing that can be done with a certificate."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from mydevices.accounts.models import Person
from mydevices.accounts.requests import actor_of, browser_of, person_of
from mydevices.certificates import selectors, wording
from mydevices.certificates import uploads as certificates
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.certificates.uploads import Stored
from mydevices.certificates.wording import NotTaken
from mydevices.configurations import selectors as configurations
from mydevices.configurations import uploads, wanted
from mydevices.errors import Conflict, Invalid, NotAllowed, NotFound, TooMany
from mydevices.organisation import selectors as organisation
from mydevices.portal.certificate_forms import AddForm, EditForm, NoteForm, TakeForm
from mydevices.presentation import certificates as presentation
from mydevices.presentation import unconfirmed_devices
from mydevices.presentation.access import freshly_signed_in, go, in_dialog, sent
from mydevices.presentation.device_looks import name_of
from mydevices.presentation.slow_pages import waits

READ_AND_WRITE = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    context = {
        **_table(person),
        "has_types": selectors.types().exists(),
        "forbidden": selectors.forbidden(person),
        "whom_to_ask": organisation.whom_to_ask(),
    }
    return render(request, "portal/certificates/index.html", context)


@require_safe
@login_required
@never_cache
def now(request: HttpRequest) -> HttpResponse:
    """What changes on the page, asked for while something is on its way to a device."""
    return render(request, "portal/certificates/_now.html", _table(person_of(request)))


def _table(person: Person) -> dict[str, object]:
    moment = timezone.now()
    found = selectors.of_person(person)
    deliveries = configurations.deliveries(person.id)
    labels = {one.id: one.label for one in selectors.types()} if deliveries.certificates else {}
    waiting = [
        one
        for device in wanted.unconfirmed(person.id)
        if (one := unconfirmed_devices.unconfirmed(device, moment)) is not None
    ]
    waits = unconfirmed_devices.by_certificate(waiting)
    rows = [presentation.row(one, moment, deliveries, waits.get(one.fingerprint, ())) for one in found]
    remainders = presentation.remainders(deliveries, found, labels)
    pending = any(row.is_pending for row in rows) or any(one.is_pending for one in remainders)
    return {"rows": rows, "remainders": remainders, "pending": pending}


@waits("POST")
@READ_AND_WRITE
@login_required
@never_cache
@sensitive_post_parameters("password")
def add(request: HttpRequest) -> HttpResponse:
    types = list(selectors.types())
    if not types or selectors.forbidden(person_of(request)):
        return go(request, reverse("portal:certificates"))
    person = person_of(request)
    present = selectors.present([person.id], [one.id for one in types])
    choices = [(str(one.id), _choice(one, is_there=(person.id, one.id) in present)) for one in types]
    form = AddForm(sent(request), request.FILES or None, types=choices, initial={"type": request.GET.get("type")})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        done = _upload(request, form, UUID(values["type"]), values["file"], values["password"])
        if done is not None:
            return _done(request, done)
    context = {"form": form, "types": types, "keeping": _keeping(types)}
    return _question(request, "add", context, status=400 if form.errors else 200)


def _choice(one: CertificateType, *, is_there: bool) -> str:
    return _("%(label)s (replaces the present one)") % {"label": one.label} if is_there else one.label


def _keeping(types: list[CertificateType]) -> str:
    """How long private keys are kept, where that is the same for all types."""
    (days, *others) = {one.delete_key_after for one in types}
    if others:
        return _("The private key is sealed here. How long it is kept depends on the type, and the next page says it.")
    if days is None:
        return _("The private key is sealed here, and kept until you clear it.")
    return ngettext(
        "The private key is sealed here and deleted after %(number)d day. For a device that still waits for it, it is "
        "kept longer, but never past 30 days.",
        "The private key is sealed here and deleted after %(number)d days. For a device that still waits for it, it is "
        "kept longer, but never past 30 days.",
        days,
    ) % {"number": days}


@waits("POST")
@READ_AND_WRITE
@login_required
@never_cache
@sensitive_post_parameters("password")
def edit(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    certificate = _own(request, certificate_id)
    kind = EditForm if certificate.is_present else NoteForm
    form = kind(sent(request), request.FILES or None, initial={"note": certificate.note})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        if values.get("file"):
            done = _upload(request, form, certificate.type_id, values["file"], values["password"], note=values["note"])
            if done is not None:
                return _done(request, done)
        elif _tried(form, "note", lambda: _annotate(request, certificate, values["note"])):
            messages.success(request, _("The note is saved. Nothing was sent to your devices."))
            return _to_table(request)
    return _question(request, "edit", {"form": form, "certificate": certificate}, status=400 if form.errors else 200)


@READ_AND_WRITE
@login_required
@never_cache
def clear(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    certificate = _own(request, certificate_id)
    if request.method == "POST":
        cleared = uploads.clear_key(actor=actor_of(request), certificate=certificate, now=timezone.now())
        if cleared:
            messages.success(request, _("The private key is gone from here. Devices that have it keep it."))
        return _to_table(request)
    if not certificate.has_key:
        messages.warning(request, _("The private key is not kept here any more."))
        return _to_table(request)
    return _question(request, "clear", {"form": Form(), "certificate": certificate})


@READ_AND_WRITE
@login_required
@never_cache
def delete(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    certificate = _own(request, certificate_id)
    if request.method == "POST":
        uploads.delete(actor=actor_of(request), certificate=certificate, now=timezone.now())
        messages.success(request, _("The certificate is gone from here. Devices that have it keep it."))
        return _to_table(request)
    return _question(request, "delete", {"form": Form(), "certificate": certificate})


@READ_AND_WRITE
@login_required
@never_cache
def withdraw(request: HttpRequest, type_id: UUID, fingerprint: str) -> HttpResponse:
    """Take a certificate off one's devices, whether it is still kept here or not."""
    person = person_of(request)
    there = configurations.deliveries(person.id).of(type_id, fingerprint)
    if not there:
        raise NotFound(_("This certificate is on none of your devices."))
    if request.method == "POST":
        uploads.remove_from_devices(
            actor=actor_of(request), person=person, type_id=type_id, fingerprint=fingerprint, now=timezone.now()
        )
        messages.success(request, _("It is taken off your devices, each as soon as it answers."))
        return _to_table(request)
    context = {
        "form": Form(),
        "type": selectors.type_by_id(type_id),
        "devices": list(dict.fromkeys(name_of(one.channel.registration.device) for one in there)),
    }
    return _question(request, "withdraw", context)


@require_safe
@login_required
@never_cache
def public(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    """The certificate without its private key, for others to encrypt to."""
    certificate = _own(request, certificate_id)
    return _file(certificate, bytes(certificate.der), "application/pkix-cert", "cer")


@READ_AND_WRITE
@freshly_signed_in
@never_cache
@sensitive_post_parameters("password", "again")
def take(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    """The certificate with its private key, under a password of its owner's choice."""
    certificate = _own(request, certificate_id)
    form = TakeForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            data = certificates.export(
                actor=actor_of(request),
                certificate=certificate,
                password=form.cleaned_data["password"],
                browser=browser_of(request),
                now=timezone.now(),
            )
        except Invalid as refusal:
            form.add_error("password", refusal.message)
        except (Conflict, NotAllowed) as refusal:
            messages.warning(request, refusal.message)
            return _to_table(request)
        else:
            return _file(certificate, data, "application/x-pkcs12", "p12")
    if not certificate.has_key or not certificate.type.key_download:
        messages.warning(request, _("This certificate cannot be downloaded with its private key."))
        return _to_table(request)
    return _question(request, "take", {"form": form, "certificate": certificate}, status=400 if form.errors else 200)


def _own(request: HttpRequest, certificate_id: UUID) -> Certificate:
    return selectors.owned_by(person_of(request), certificate_id)


def _upload(
    request: HttpRequest,
    form: Form,
    type_id: UUID,
    file: "UploadedFile[bytes]",
    password: str,
    *,
    note: str | None = None,
) -> Stored | None:
    """Store an uploaded file; nothing if it is refused, which the form then says."""
    actor, person = actor_of(request), person_of(request)
    # One byte more than is taken, so that what is too large is known to be.
    data = file.read(certificates.LARGEST + 1)
    try:
        return uploads.upload(
            actor=actor, person=person, type_id=type_id, data=data, password=password, note=note, now=timezone.now()
        )
    except NotTaken as refusal:
        for sentence in refusal.sentences:
            form.add_error(refusal.field, sentence)
    except (Invalid, Conflict, NotFound, NotAllowed, TooMany) as refusal:
        form.add_error(None, refusal.message)
    return None


def _annotate(request: HttpRequest, certificate: Certificate, note: str) -> None:
    uploads.annotate(actor=actor_of(request), certificate=certificate, note=note)


def _tried(form: Form, field: str, verb: Callable[[], None]) -> bool:
    try:
        verb()
    except Invalid as refusal:
        form.add_error(field, refusal.message)
        return False
    return True


def _done(request: HttpRequest, done: Stored) -> HttpResponse:
    label = {"label": done.certificate.type.label}
    if done.is_first:
        messages.success(request, _("“%(label)s” is uploaded.") % label)
    elif done.previous is not None:
        messages.success(request, _("“%(label)s” is replaced. The former one stays below, for old mail.") % label)
    else:
        messages.success(request, _("“%(label)s” is replaced.") % label)
    for sentence in wording.cautions(done.certificate.cautions):
        messages.warning(request, sentence)
    return _to_table(request)


def _to_table(request: HttpRequest) -> HttpResponse:
    return go(request, reverse("portal:certificates"))


def _file(certificate: Certificate, data: bytes, kind: str, ending: str) -> HttpResponse:
    name = slugify(certificate.type.label) or "certificate"
    response = HttpResponse(data, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return response


def _question(request: HttpRequest, name: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    """A page of its own, or the content of a dialog."""
    dialog = in_dialog(request)
    common = {"layout": "parts/dialog.html" if dialog else "base.html", "dialog": dialog}
    response = render(request, f"portal/certificates/{name}.html", {**common, **context}, status=status)
    response["Vary"] = "X-Dialog"
    if dialog:
        response["X-Dialog"] = "1"
    return response
