"""Signing in and out, what is recorded of it, and what slows somebody who guesses."""

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from mydevices.accounts.hashers import Argon2id
from mydevices.accounts.models import Person
from mydevices.audit import services as audit
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(client: Client, email: str, password: str = PASSWORD) -> int:
    return client.post(reverse("account_login"), {"login": email, "password": password}).status_code


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("portal:account")).status_code == 200


def test_a_person_signs_in_with_their_address_in_any_case_and_out_again(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    assert sign_in(client, person.email.upper()) == 302
    assert is_signed_in(client)
    client.post(reverse("account_logout"))
    assert not is_signed_in(client)
    assert [entry.verb for entry in Entry.objects.filter(person_id=str(person.id)).order_by("id")] == [
        Verb.SIGNED_IN,
        Verb.SIGNED_OUT,
    ]


def test_it_is_written_down_what_a_sign_in_was_proved_by(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    assert Entry.objects.get(verb=Verb.SIGNED_IN).details == {"proved_by": "password"}


def test_signing_out_takes_a_post(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    client.get(reverse("account_logout"))
    assert is_signed_in(client)


def test_a_wrong_password_is_recorded_and_what_was_typed_is_not(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    assert sign_in(client, person.email, "my other password") == 200
    assert not is_signed_in(client)
    entry = Entry.objects.get(verb=Verb.SIGN_IN_FAILED)
    assert (entry.person_id, entry.address) == (str(person.id), "127.0.0.1")
    assert sign_in(client, "typed-my-password-here@aldermoor.example", "x") == 200
    rows = str(list(Entry.objects.values()))
    assert "my other password" not in rows
    assert "typed-my-password-here" not in rows


def change_password(client: Client, old: str, new: str) -> int:
    values = {"oldpassword": old, "password1": new, "password2": new}
    return client.post(reverse("account_change_password"), values).status_code


def test_a_changed_password_is_recorded_and_neither_password_is(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    assert change_password(client, PASSWORD, "granite meadow seventeen") == 302
    person.refresh_from_db()
    assert person.check_password("granite meadow seventeen")
    entry = Entry.objects.get(verb=Verb.PASSWORD_CHANGED)
    assert (entry.actor_id, entry.person_id, entry.address) == (str(person.id), str(person.id), "127.0.0.1")
    rows = str(list(Entry.objects.values()))
    assert PASSWORD not in rows
    assert "granite meadow" not in rows


def test_a_password_that_is_not_changed_is_not_recorded(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    assert change_password(client, "wrong password", "granite meadow seventeen") == 200
    assert not Entry.objects.filter(verb=Verb.PASSWORD_CHANGED).exists()


def test_a_wrong_present_password_is_recorded_as_a_failed_proof(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    assert change_password(client, "", "granite meadow seventeen") == 200
    assert change_password(client, PASSWORD, "short") == 200
    assert not Entry.objects.filter(verb=Verb.SIGN_IN_FAILED).exists()
    assert change_password(client, "wrong password", "granite meadow seventeen") == 200
    entry = Entry.objects.get(verb=Verb.SIGN_IN_FAILED)
    assert (entry.actor_id, entry.person_id, entry.address) == (str(person.id), str(person.id), "127.0.0.1")
    assert "wrong password" not in str(list(Entry.objects.values()))


def test_what_the_library_says_is_said_in_the_words_of_these_pages(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    refused = client.post(reverse("account_login"), {"login": person.email, "password": "wrong password"})
    assert b"The address or the password is not right." in refused.content
    values = {"login": person.email, "password": PASSWORD}
    assert b'class="toast"' not in client.post(reverse("account_login"), values, follow=True).content
    page = reverse("account_change_password")
    assert b"placeholder" not in client.get(page).content
    values = {"oldpassword": PASSWORD, "password1": "granite meadow 17", "password2": "granite meadow 17"}
    refused = client.post(page, values | {"oldpassword": "wrong password"})
    assert b"That is not your present password." in refused.content
    changed = client.post(page, values, follow=True).content
    assert b"Your password is changed." in changed
    left = client.post(reverse("account_logout"), follow=True).content
    assert b"You are signed out." in left
    assert b"uccessful" not in changed + left


def test_a_password_that_cannot_be_recorded_is_not_changed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)

    def away(*_arguments: object, **_values: object) -> None:
        raise OperationalError("the database went away")

    monkeypatch.setattr(audit, "record", away)
    with pytest.raises(OperationalError):
        change_password(client, PASSWORD, "granite meadow seventeen")
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


def test_a_failed_proof_of_who_one_is_is_recorded_for_the_person_who_is_signed_in(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    assert client.post(reverse("account_reauthenticate"), {"password": "wrong password"}).status_code == 200
    entry = Entry.objects.get(verb=Verb.SIGN_IN_FAILED)
    assert (entry.actor_id, entry.person_id, entry.address) == (str(person.id), str(person.id), "127.0.0.1")


def test_an_inactive_person_does_not_get_in(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    Person.objects.filter(id=person.id).update(is_active=False)
    sign_in(client, person.email)
    assert not is_signed_in(client)


def test_a_person_who_is_made_inactive_is_out_at_once(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    sign_in(client, person.email)
    Person.objects.filter(id=person.id).update(is_active=False)
    assert not is_signed_in(client)


def test_guessing_is_stopped_even_with_the_right_password_in_the_end(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    for _attempt in range(12):
        sign_in(client, person.email, "wrong password")
    assert sign_in(client, person.email) != 302
    assert not is_signed_in(client)


def test_400_sessions_do_not_make_the_server_forget_who_guessed(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    for _attempt in range(12):
        sign_in(client, person.email, "wrong password")
    for _visitor in range(400):
        Client().session.save()
    assert sign_in(client, person.email) != 302
    assert not is_signed_in(client)


def test_attempts_are_counted_where_every_process_sees_them() -> None:
    assert type(cache._connections[cache._alias]).__name__ == "DatabaseCache"  # type: ignore[attr-defined]  # Django's proxy


def test_nobody_signs_up_by_themselves(client: Client) -> None:
    assert client.get("/sign-up").status_code == 404
    assert client.get("/accounts/signup/").status_code == 404


def test_the_old_address_leads_to_sign_in(client: Client) -> None:
    response = client.get("/user/login.html")
    assert response.status_code == 302
    assert response["Location"] == reverse("account_login")


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_signing_in_leads_to_no_other_site(client: Client, address: str) -> None:
    person = factories.person(password=PASSWORD)
    values = {"login": person.email, "password": PASSWORD, "next": address}
    response = client.post(f"{reverse('account_login')}?next={address}", values)
    assert response.status_code == 302
    assert response["Location"] == "/"


def test_a_new_password_is_hashed_with_argon2id() -> None:
    assert Argon2id().algorithm == "argon2"
    person = factories.person(password=PASSWORD)
    assert person.password.startswith("argon2$argon2id$")
    assert identify_hasher(person.password).algorithm == "argon2"


def test_a_suspended_wipe_is_not_kept_in_the_session(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    device = factories.device(person)
    sign_in(client, person.email)
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 301
    session.save()
    response = client.post(reverse("portal:wipe", args=[device.id]), {"name": "the typed name"})
    assert response.status_code == 403
    assert "the typed name" in response.content.decode()
    stored = Session.objects.get(session_key=client.session.session_key).get_decoded()
    assert "the typed name" not in str(stored)
    assert "account_reauthentication_state" not in stored


def test_whoever_has_no_record_of_a_proof_has_not_proved_it(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    device = factories.device(person)
    client.force_login(person, backend="mydevices.accounts.backends.Passwords")
    response = client.get(reverse("portal:wipe", args=[device.id]))
    assert response.status_code == 303
