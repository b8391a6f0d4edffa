"""Settings: the organisation, its look, sign-in with providers, what platforms need."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import approval_rules, mail_server, passwords, post, providers
from mydevices.accounts import approvals as approvals_of_changes
from mydevices.accounts import selectors as accounts_selectors
from mydevices.accounts import sign_in_rules as rules_of_sign_in
from mydevices.accounts.models import Provider
from mydevices.accounts.requests import actor_of, person_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.console.access import console_page
from mydevices.console.settings_forms import (
    OWN_BLUE,
    ApprovalRulesForm,
    BrandForm,
    InvitationRulesForm,
    LogoForm,
    MailForm,
    OrganisationForm,
    ProviderForm,
    SignInRulesForm,
)
from mydevices.errors import Conflict, Invalid, NotFound
from mydevices.organisation import outgoing
from mydevices.organisation import selectors as organisation
from mydevices.organisation import services as organisation_services
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.port.platform import settings_pages
from mydevices.port.settings import SettingsPage
from mydevices.presentation import waiting_changes
from mydevices.presentation.access import freshly_signed_in, sent
from mydevices.presentation.slow_pages import waits
from mydevices.registration import invitation_rules

EITHER = require_http_methods(["GET", "HEAD", "POST"])


def _see(name: str, *args: object) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"console:{name}", args=args), status=303)


def _tried(form: BaseForm, verb: Callable[[], object]) -> bool:
    """Whether the verb took what was typed; what it refuses stands in the form."""
    try:
        verb()
    except (Invalid, Conflict) as refusal:
        form.add_error(None, refusal.message)
        return False
    return True


def _page(request: HttpRequest, name: str, form: BaseForm, **context: object) -> HttpResponse:
    may = Right.MANAGE_SETTINGS in rights_of(request)
    context = {"form": form, "may_change": may, **context}
    return render(request, f"console/settings_{name}.html", context, status=400 if form.errors else 200)


@require_safe
@console_page(Right.SEE_SETTINGS)
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    context = {
        "about": organisation.current(),
        "providers": providers.every(),
        "invitations": invitation_rules.described(invitation_rules.current()),
        "policies": policies.of_kind(RegistrationRules).count(),
        "approvals": approvals_of_changes.rules(),
        "rules": passwords.described(accounts_selectors.sign_in_rules()),
        "platforms": [
            {"name": name, "title": page.title, "state": page.state(now)} for name, page in settings_pages().items()
        ],
        "mail_server": outgoing.is_set(),
        "mail_from": outgoing.sender(),
    }
    return render(request, "console/settings.html", context)


@EITHER
@console_page(Right.SEE_SETTINGS)
def about(request: HttpRequest) -> HttpResponse:
    names = ("name", "helpdesk_name", "helpdesk_phone", "helpdesk_email")
    present = organisation.current()
    form = OrganisationForm(sent(request), initial={name: getattr(present, name) for name in names})
    if request.method == "POST" and form.is_valid():
        actor = actor_of(request)
        if _tried(form, lambda: organisation_services.describe(actor=actor, **form.cleaned_data)):
            messages.success(request, _("Saved. Every page says it from now on."))
            return _see("settings")
    return _page(request, "about", form)


@EITHER
@console_page(Right.SEE_SETTINGS)
def sign_in_rules(request: HttpRequest) -> HttpResponse:
    present = accounts_selectors.sign_in_rules()
    form = SignInRulesForm(
        sent(request), initial={name: getattr(present, name) for name in SignInRulesForm.base_fields}
    )
    if request.method == "POST" and form.is_valid():
        actor = actor_of(request)
        if _tried(form, lambda: rules_of_sign_in.change(actor=actor, **form.cleaned_data)):
            messages.success(request, _("Saved. Passwords that people have already stay good."))
            return _see("settings")
    return _page(request, "sign_in", form, waits=waiting_changes.of(rules_of_sign_in.WHAT))


@EITHER
@console_page(Right.SEE_SETTINGS)
def approvals(request: HttpRequest) -> HttpResponse:
    """When a change waits for a second administrator."""
    present = approvals_of_changes.rules()
    names = ApprovalRulesForm.base_fields
    form = ApprovalRulesForm(sent(request), initial={name: getattr(present, name) for name in names})
    if request.method == "POST" and form.is_valid():
        actor = actor_of(request)
        if _tried(form, lambda: approval_rules.change(actor=actor, **form.cleaned_data)):
            messages.success(request, _("Saved."))
            return _see("settings")
    return _page(request, "approvals", form, waits=waiting_changes.of(approval_rules.WHAT))


@EITHER
@console_page(Right.SEE_SETTINGS)
def invitations(request: HttpRequest) -> HttpResponse:
    """How long invitations are good, and how people are reminded of them."""
    present = invitation_rules.current()
    names = InvitationRulesForm.base_fields
    form = InvitationRulesForm(sent(request), initial={name: getattr(present, name) for name in names})
    if request.method == "POST":
        actor = actor_of(request)
        if "environment" in request.POST:
            invitation_rules.leave_to_environment(actor=actor)
            messages.success(request, _("The server’s environment decides again."))
            return _see("settings_invitations")
        if form.is_valid() and _tried(form, lambda: invitation_rules.change(actor=actor, **form.cleaned_data)):
            messages.success(request, _("Saved. Reminders follow it from now on."))
            return _see("settings")
    context = {
        "waits": waiting_changes.of(invitation_rules.WHAT),
        "is_set_here": invitation_rules.are_set_here(),
        "environment": invitation_rules.described(invitation_rules.of_environment()),
    }
    return _page(request, "invitations", form, **context)


@EITHER
@console_page(Right.SEE_SETTINGS)
def mail(request: HttpRequest) -> HttpResponse:
    """Where mails leave. Whoever may not change it, or cannot because the environment decides, sees it."""
    form = MailForm(sent(request), initial=_present_mail())
    if request.method == "POST":
        actor = actor_of(request)
        if "remove" in request.POST:
            mail_server.remove(actor=actor)
            messages.success(request, _("No mails are sent from now on. Those that wait go on waiting."))
            return _see("settings_mail")
        if form.is_valid() and _tried(form, lambda: mail_server.change(actor=actor, **form.cleaned_data)):
            messages.success(request, _("Saved. Send yourself a test mail to see whether it works."))
            return _see("settings_mail")
    return _mail(request, form)


@waits("POST")
@require_POST
@console_page(Right.MANAGE_SETTINGS)
@freshly_signed_in
def mail_trial(request: HttpRequest) -> HttpResponse:
    """Send a mail to who asks, and say what the mail server answered."""
    failed = post.try_out(actor=actor_of(request), person=person_of(request))
    if not failed:
        text = _("The mail server took a mail to %(address)s. Look whether it arrives.")
        messages.success(request, text % {"address": person_of(request).email})
        return _see("settings_mail")
    return _mail(request, MailForm(initial=_present_mail()), failed=failed)


def _mail(request: HttpRequest, form: MailForm, *, failed: str = "") -> HttpResponse:
    if outgoing.is_of_environment():
        for field in form.fields.values():
            field.disabled = True
    context = {"of_environment": outgoing.is_of_environment(), "is_set": outgoing.is_set(), "trial_failed": failed}
    return _page(request, "mail", form, **context, waits=waiting_changes.of(mail_server.WHAT))


def _present_mail() -> dict[str, object]:
    """What the form begins with. The password stays where it is."""
    given = settings.ENVIRONMENT.mail_server
    if given is not None:
        server = {"host": given.host, "port": given.port, "encryption": given.tls, "user": given.user}
    else:
        kept = organisation.current()
        server = {
            "host": kept.mail_host,
            "port": kept.mail_port,
            "encryption": kept.mail_encryption or "starttls",
            "user": kept.mail_user,
        }
    return {**server, "mail_from": outgoing.sender()}


@EITHER
@console_page(Right.SEE_SETTINGS)
def brand(request: HttpRequest) -> HttpResponse:
    present = organisation.current()
    initial = {
        "own_accent": bool(present.accent),
        "accent": present.accent or OWN_BLUE,
        "language": present.mail_language,
    }
    form = BrandForm(sent(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        actor, values = actor_of(request), form.cleaned_data
        accent = values["accent"] if values["own_accent"] else ""
        if _tried(form, lambda: organisation_services.brand(actor=actor, accent=accent, language=values["language"])):
            messages.success(request, _("Saved. Pages and mails look like it from now on."))
            return _see("settings_brand")
    return _page(request, "brand", form, logo_form=LogoForm(), present=present)


@waits("POST")
@require_POST
@console_page(Right.SEE_SETTINGS)
def logo(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = LogoForm(request.POST, request.FILES)
    if "remove" in request.POST:
        organisation_services.show_logo(actor=actor, png=None)
        messages.success(request, _("The logo is gone from pages and mails."))
        return _see("settings_brand")
    if form.is_valid() and _tried(
        form, lambda: organisation_services.show_logo(actor=actor, png=_content(form.cleaned_data["logo"]))
    ):
        messages.success(request, _("The logo stands on every page."))
        return _see("settings_brand")
    present = organisation.current()
    brand_form = BrandForm(initial={"own_accent": bool(present.accent), "accent": present.accent or OWN_BLUE})
    context = {"form": brand_form, "logo_form": form, "present": present, "may_change": True}
    return render(request, "console/settings_brand.html", context, status=400)


def _content(file: "UploadedFile[bytes]") -> bytes:
    """What was sent, up to a little over what anything here may be: the verbs refuse what is too long."""
    return bytes(file.read(1024 * 1024))


@waits("POST")
@EITHER
@console_page(Right.SEE_SETTINGS)
def platform_page(request: HttpRequest, platform: str) -> HttpResponse:
    """What a platform needs: its own page, in our frame."""
    page, now = _of_platform(platform), timezone.now()
    form = page.form(sent(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        said: list[str] = []
        if _tried(form, lambda: said.append(page.save(actor=actor_of(request), form=form, now=now))):
            messages.success(request, said[0])
            return _see("settings_platform", platform)
    context = {
        "title": page.title,
        "form": form,
        "may_change": Right.MANAGE_SETTINGS in rights_of(request),
        "page_url": reverse("console:settings_platform", args=[platform]),
        "file_url": reverse("console:settings_platform_file", args=[platform]),
        **page.context(now),
    }
    return render(request, page.template, context, status=400 if form.errors else 200)


@require_POST
@console_page(Right.SEE_SETTINGS)
def platform_file(request: HttpRequest, platform: str) -> HttpResponse:
    """A file that a platform makes for what it needs, such as a request for a certificate."""
    document = _of_platform(platform).file(actor=actor_of(request))
    response = HttpResponse(document.content, content_type=document.content_type)
    response["Content-Disposition"] = f'attachment; filename="{document.file_name}"'
    return response


def _of_platform(name: str) -> SettingsPage:
    page = settings_pages().get(name)
    if page is None:
        raise NotFound(_("There is no such platform."))
    return page


@waits("POST")
@EITHER
@console_page(Right.MANAGE_SETTINGS)
@freshly_signed_in
def provider_new(request: HttpRequest) -> HttpResponse:
    return _provider(request, Provider(), is_new=True)


@waits("POST")
@EITHER
@console_page(Right.MANAGE_SETTINGS)
@freshly_signed_in
def provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _provider(request, providers.kept(provider_id), is_new=False)


def _provider(request: HttpRequest, row: Provider, *, is_new: bool) -> HttpResponse:
    form = ProviderForm(sent(request), instance=row)
    if request.method == "POST" and form.is_valid():
        actor, changed = actor_of(request), form.save(commit=False)
        changed.group_names = form.cleaned_data["groups"]
        changed.domains = form.cleaned_data["domains"]
        secret, ends = form.cleaned_data["secret"] or None, form.cleaned_data["ends"]
        if _tried(form, lambda: providers.save(actor=actor, provider=changed, secret=secret, is_new=is_new, ends=ends)):
            messages.success(request, _("%(name)s is saved.") % {"name": changed.name})
            return _see("settings")
    back = settings.PUBLIC_URL + reverse("openid_connect_callback", args=[row.id or "PART"])
    links = 0 if is_new else providers.links_of(row)
    waiting = [] if is_new else waiting_changes.of(providers.what(row.id))
    return _page(request, "provider", form, provider=None if is_new else row, back=back, links=links, waits=waiting)


@EITHER
@console_page(Right.MANAGE_SETTINGS)
@freshly_signed_in
def provider_remove(request: HttpRequest, provider_id: str) -> HttpResponse:
    row, fault = providers.kept(provider_id), ""
    if request.method == "POST":
        try:
            providers.remove(actor=actor_of(request), provider=row)
        except Conflict as refusal:
            fault = refusal.message
        else:
            messages.success(request, _("%(name)s is removed.") % {"name": row.name})
            return _see("settings")
    context = {"provider": row, "links": providers.links_of(row), "fault": fault}
    return render(request, "console/settings_provider_remove.html", context, status=409 if fault else 200)
