"""A form that is sent when the last proof is old: it is asked for in the middle of it, and nothing typed is lost."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.totp.internal.auth import yield_hotp_counters_from_time as counters
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Attempts, Group, Membership, Person
from mydevices.accounts.requests import LIMITED
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates.models import Certificate
from mydevices.configurations.models import Configuration
from mydevices.devices.models import Device
from mydevices.organisation.models import Organisation
from mydevices.platforms.apple import push_certificate
from mydevices.portal.tickets import readable
from mydevices.presentation import proof_page
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from tests import factories, passkeys
from tests.certificates import identities
from tests.confirming import STALE, form_of, grow_stale, is_asked, send_again
from tests.factories import PASSWORD
from tests.portal.conftest import SignedIn

pytestmark = pytest.mark.django_db

ACCOUNT = "portal:account"


@pytest.fixture
def stale(sign_in: SignedIn, ines: Person) -> Client:
    return grow_stale(sign_in(ines))


def rename(browser: Client, name: str = "Ines Stone", **more: Any) -> Any:
    return browser.post(reverse(ACCOUNT), {"name": name}, **more)


def name_of(person: Person) -> str:
    return str(Person.objects.get(id=person.id).name)


def test_the_page_carries_what_was_typed_and_nothing_is_changed_or_kept(stale: Client, ines: Person) -> None:
    before = dict(stale.session)
    answer = rename(stale, 'Ines "><script>alert(1)</script> Stone')
    assert is_asked(answer)
    assert "no-store" in answer["Cache-Control"]
    page = answer.content.decode()
    assert "<script>alert" not in page
    assert ("name", "hidden", 'Ines "><script>alert(1)</script> Stone') in form_of(page).fields
    assert form_of(page).action == reverse(ACCOUNT)
    assert dict(stale.session) == before
    assert name_of(ines) == "Ines Okafor"
    assert not Entry.objects.filter(verb=Verb.PERSON_CHANGED).exists()


def test_with_the_password_the_form_is_done_and_five_minutes_are_free(stale: Client, ines: Person) -> None:
    answer = send_again(stale, rename(stale))
    assert (answer.status_code, answer["Location"]) == (303, reverse(ACCOUNT))
    assert name_of(ines) == "Ines Stone"
    assert rename(stale, "Ines Reed").status_code == 303
    assert name_of(ines) == "Ines Reed"
    assert PASSWORD not in str(dict(stale.session))
    assert is_asked(rename(grow_stale(stale)))


def test_a_wrong_password_asks_again_with_everything_still_there(stale: Client, ines: Person) -> None:
    answer = send_again(stale, rename(stale), password="not this one")
    assert is_asked(answer)
    page = answer.content.decode()
    assert "That is not your password." in page
    assert "not this one" not in page
    assert ("name", "hidden", "Ines Stone") in form_of(page).fields
    assert name_of(ines) == "Ines Okafor"
    assert Entry.objects.filter(verb=Verb.SIGN_IN_FAILED, person_id=str(ines.id)).count() == 1
    assert send_again(stale, answer).status_code == 303
    assert name_of(ines) == "Ines Stone"


def test_cancel_leads_back_to_the_page_with_the_form_after_a_wrong_password_too(stale: Client) -> None:
    page = f"{reverse(ACCOUNT)}?from=here"
    asked = rename(stale, HTTP_REFERER=f"http://testserver{page}")
    assert f'<a class="btn" href="{page}">Cancel</a>' in asked.content.decode()
    asked = send_again(stale, asked, password="not this one", HTTP_REFERER=f"http://testserver{reverse(ACCOUNT)}")
    assert f'<a class="btn" href="{page}">Cancel</a>' in asked.content.decode()


@pytest.mark.parametrize(
    "elsewhere", ["http://elsewhere.example/account", "http://testserver//elsewhere.example", "", "x"]
)
def test_cancel_leads_nowhere_else(stale: Client, elsewhere: str) -> None:
    home = f'<a class="btn" href="{reverse("portal:devices")}">Cancel</a>'
    assert home in rename(stale, HTTP_REFERER=elsewhere).content.decode()
    sent = {"name": "Ines Stone", "confirm-password": "not this one"}
    for address in ("https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", elsewhere):
        assert home in stale.post(reverse(ACCOUNT), {**sent, "confirm-back": address}).content.decode()


def test_guesses_are_counted_and_slowed_as_at_sign_in(ines: Person) -> None:
    """In a browser that the person is not known in: one that somebody else sits at."""
    browser = Client()
    browser.force_login(ines, backend="mydevices.accounts.backends.Passwords")
    for _guess in range(5):
        assert send_again(browser, rename(browser), password="a guess").status_code == 403
    assert Attempts.objects.exists()
    answer = send_again(browser, rename(browser))
    assert answer.status_code == 429
    assert "tried too often" in answer.content.decode()
    assert name_of(ines) == "Ines Okafor"
    # Signing in from there is slowed by the same guesses.
    page = Client().post(reverse("account_login"), {"login": ines.email, "password": PASSWORD}).content.decode()
    assert "tried too often" in page


def test_pressed_without_a_proof_it_says_so_and_with_one_from_another_tab_it_goes_on(
    stale: Client, ines: Person
) -> None:
    Authenticator.objects.create(user=ines, type="webauthn", data={"name": "Key", "credential": passkeys.credential()})
    asked = rename(stale)
    page = asked.content.decode()
    there = f"{reverse('mfa_reauthenticate_webauthn')}?next={reverse('confirmed').replace('/', '%2F')}"
    assert f'href="{there}" target="_blank" rel="noopener"' in page
    asked = send_again(stale, asked, password="")
    assert is_asked(asked)
    assert "You haven’t confirmed yet." in asked.content.decode()
    stale.post(f"{reverse('account_reauthenticate')}?next={reverse('confirmed')}", {"password": PASSWORD})
    assert "close this tab" in stale.get(reverse("confirmed")).content.decode()
    assert send_again(stale, asked, password="").status_code == 303
    assert name_of(ines) == "Ines Stone"


def test_the_code_of_an_app_is_a_proof_once(stale: Client, ines: Person) -> None:
    key = str(generate_totp_secret())
    TOTP.activate(ines, key)
    code = format_hotp_value(hotp_value(key, list(counters())[settings.MFA_TOTP_TOLERANCE]))
    assert send_again(stale, rename(stale), password="", code="12").status_code == 403
    assert name_of(ines) == "Ines Okafor"
    assert send_again(stale, rename(stale), password="", code=code).status_code == 303
    assert name_of(ines) == "Ines Stone"
    again = send_again(stale, rename(grow_stale(stale), "Ines Reed"), password="", code=code)
    assert is_asked(again)
    assert name_of(ines) == "Ines Stone"


def test_where_both_are_given_both_must_be_right(stale: Client, ines: Person) -> None:
    key = str(generate_totp_secret())
    TOTP.activate(ines, key)
    code = format_hotp_value(hotp_value(key, list(counters())[settings.MFA_TOTP_TOLERANCE]))
    for password, given in ((PASSWORD, "12"), ("wrong", code)):
        assert is_asked(send_again(stale, rename(stale), password=password, code=given))
        assert name_of(ines) == "Ines Okafor"
    assert send_again(stale, rename(stale), code=code).status_code == 303


def test_a_recovery_code_is_a_proof_too(stale: Client, ines: Person) -> None:
    codes = RecoveryCodes.activate(ines)
    code = codes.get_unused_codes()[0]
    assert send_again(stale, rename(stale), password="", code=code).status_code == 303
    assert Entry.objects.filter(verb=Verb.RECOVERY_USED).exists()


def test_the_token_of_the_form_is_checked_before_any_proof(ines: Person, sign_in: SignedIn) -> None:
    browser = grow_stale(sign_in(ines))
    browser.handler.enforce_csrf_checks = True
    before = Attempts.objects.count()
    answer = browser.post(reverse(ACCOUNT), {"name": "Ines Stone", "confirm-password": "a guess"})
    assert answer.status_code == 403
    assert not is_asked(answer)
    assert Attempts.objects.count() == before
    assert name_of(ines) == "Ines Okafor"


def test_a_limited_session_gets_no_further_by_it(stale: Client, ines: Person, iphone: Device) -> None:
    session = stale.session
    session[LIMITED] = int(timezone.now().timestamp()) + 600
    session.save()
    before = dict(session)
    for address in (reverse(ACCOUNT), reverse("portal:lock", args=[iphone.id])):
        stale.post(address, {"name": "Ines Stone", "message": "Hello", "confirm-password": PASSWORD})
    assert stale.session["account_authentication_methods"] == before["account_authentication_methods"]
    assert name_of(ines) == "Ines Okafor"


def test_who_is_not_signed_in_proves_nothing_by_it(ines: Person) -> None:
    answer = Client().post(reverse(ACCOUNT), {"name": "x", "confirm-password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_field_that_is_sent_several_times_comes_back_as_often(sign_in: SignedIn) -> None:
    boss = grow_stale(sign_in(factories.administrator(password=PASSWORD)))
    crowd = [factories.person(f"Person {number}") for number in range(3)]
    group = Group.objects.create(name="Sales")
    form = {"id": [str(person.id) for person in crowd], "group": str(group.id), "query": "?q=a&b=c"}
    answer = boss.post(reverse("console:people_crowd", args=["join"]), form)
    assert is_asked(answer)
    assert not Membership.objects.exists()
    answer = send_again(boss, answer)
    assert answer["Location"] == f"{reverse('console:people')}?q=a&b=c"
    assert Membership.objects.filter(group=group).count() == 3


def test_a_file_comes_along_with_the_password_that_opens_it(stale: Client, ines: Person) -> None:
    kind = identities.type_for()
    data = identities.identity_for(ines).exported(identities.PASSWORD)
    form = {"type": str(kind.id), "password": identities.PASSWORD, "file": SimpleUploadedFile("mine.p12", data)}
    answer = stale.post(reverse("portal:certificate_add"), form)
    assert is_asked(answer)
    assert not Certificate.objects.exists()
    answer = send_again(stale, answer, password="wrong")
    assert is_asked(answer)
    answer = send_again(stale, answer)
    assert answer.status_code == 303, answer.content
    assert Certificate.objects.filter(person=ines).exists()


def test_a_file_too_large_to_carry_is_chosen_again(sign_in: SignedIn) -> None:
    boss = grow_stale(sign_in(factories.administrator(password=PASSWORD)))
    png = b"\x89PNG\r\n\x1a\n" + b"x" * proof_page.MOST_CARRIED
    form = {"name": "Intranet", "enabled": "on", "label": "Intranet", "url": "https://in.example/", "to": "nobody"}
    address = reverse("console:configurations_new", args=["web_clip"])
    answer = boss.post(address, {**form, "icon": SimpleUploadedFile("big <icon>.png", png)})
    page = answer.content.decode()
    assert "Choose “big &lt;icon&gt;.png” again" in page
    assert "confirm-file" not in page
    answer = send_again(boss, answer, chosen=SimpleUploadedFile("icon.png", png))
    assert answer.status_code == 303, answer.content
    assert bytes(Configuration.objects.get().icon or b"") == png


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"field": "logo", "name": "a", "type": "b", "content": "%"}',
        '{"field": "logo", "name": "a\\u0000", "type": "b", "content": "eA=="}',
        '{"field": "logo", "name": "..", "type": "b", "content": "eA=="}',
        '{"field": "logo", "name": "\\ud800", "type": "b", "content": "eA=="}',
        '{"field": "logo", "name": "a", "type": "b\\r\\nX: y", "content": "eA=="}',
        '{"field": "logo", "name": 1, "type": null, "content": 7}',
        "[" * 100_000,
    ],
)
def test_what_is_no_carried_file_is_none(sign_in: SignedIn, said: str, caplog: pytest.LogCaptureFixture) -> None:
    boss = sign_in(factories.administrator(password=PASSWORD))
    answer = boss.post(reverse("console:settings_logo"), {"confirm-file": said, "confirm-password": PASSWORD})
    assert answer.status_code == 400
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not Organisation.objects.exclude(logo=None).exists()


def test_in_a_dialog_it_is_the_dialog_that_asks(stale: Client, ines: Person) -> None:
    certificate = identities.uploaded(ines, identities.type_for()).certificate
    address = reverse("portal:certificate_delete", args=[certificate.id])
    answer = stale.post(address, headers={"X-Dialog": "1"})
    assert is_asked(answer)
    assert answer["X-Dialog"] == "1"
    assert "<html" not in answer.content.decode()
    answer = send_again(stale, answer, headers={"X-Dialog": "1"})
    assert (answer.status_code, answer["X-Go"]) == (204, reverse("portal:certificates"))
    assert not Certificate.objects.exists()


def test_what_is_read_with_get_goes_by_the_page_that_asks_for_a_proof(sign_in: SignedIn) -> None:
    boss = grow_stale(sign_in(factories.administrator(password=PASSWORD)))
    address = f"{reverse('console:people_export')}?q=ines"
    answer = boss.get(address)
    assert answer.status_code == 303
    back = "%2Fconsole%2Fpeople%2Ffile%3Fq%3Dines"
    assert answer["Location"].startswith(f"{reverse('account_reauthenticate')}?next=")
    assert not Entry.objects.filter(verb=Verb.LIST_EXPORTED).exists()
    page = boss.post(answer["Location"], {"password": PASSWORD})
    assert page["Location"] == address, back
    assert boss.get(address).status_code == 200


def test_the_address_of_an_open_registration_is_shown_for_five_minutes(
    sign_in: SignedIn, ines: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has it registers a device, and is sent what that device gets."""
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")
    browser = sign_in(ines)
    page = browser.post(reverse("portal:register"), {"which": "phone", "ownership": "personal"})["Location"]
    ticket = Ticket.objects.get()
    code = readable(tickets.code_of(ticket))
    picture = reverse("portal:qr", args=[ticket.id])
    grow_stale(browser)
    assert code in browser.get(page).content.decode(), "it was opened with a proof, a moment ago"
    other = grow_stale(sign_in(ines))
    for address in (page, f"{page}/now"):
        assert code not in other.get(address).content.decode(), "it proves nothing for another session"
    assert other.get(picture)["Location"].startswith(reverse("account_reauthenticate"))
    Ticket.objects.update(created_at=timezone.now() - STALE)
    for address in (page, f"{page}/now"):
        shown = browser.get(address).content.decode()
        assert code not in shown
        assert tickets.code_of(ticket) not in shown
        assert reverse("account_reauthenticate") in shown
    assert browser.get(picture)["Location"].startswith(reverse("account_reauthenticate"))
    browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert code in browser.get(page).content.decode()
    assert browser.get(picture).status_code == 200
