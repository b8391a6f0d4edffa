"""What an operator sets: checked once, with the variable's name in what is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mydevices import environment


def test_a_provider_without_a_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYDEVICES_OIDC_ISSUER", "https://login.example.org")
    with pytest.raises(SystemExit, match=r"OIDC_CLIENT_ID: .*OIDC_ISSUER"):
        environment.read()


def test_a_provider_is_reached_by_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYDEVICES_OIDC_ISSUER", "http://login.example.org")
    monkeypatch.setenv("MYDEVICES_OIDC_CLIENT_ID", "mydevices")
    with pytest.raises(SystemExit, match=r"OIDC_ISSUER: .*https"):
        environment.read()


def test_the_discovery_address_is_taken_for_the_issuer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYDEVICES_OIDC_ISSUER", "https://login.example.org/.well-known/openid-configuration")
    monkeypatch.setenv("MYDEVICES_OIDC_CLIENT_ID", "mydevices")
    assert environment.read().oidc_issuer == "https://login.example.org"


@pytest.mark.parametrize(
    ("address", "asked", "told"),
    [
        ("https://devices.example.org", "true", True),
        ("https://devices.example.org", "false", False),
        ("http://localhost:8000", "true", False),
    ],
)
def test_browsers_are_told_of_the_names_below_only_where_an_operator_says_so(
    tmp_path: Path, address: str, asked: str, told: bool
) -> None:
    given = {"MYDEVICES_DATA": str(tmp_path), "MYDEVICES_PUBLIC_URL": address, "MYDEVICES_HSTS_SUBDOMAINS": asked}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
    said = subprocess.run(
        [sys.executable, "-c", "from mydevices import settings; print(settings.SECURE_HSTS_INCLUDE_SUBDOMAINS)"],
        env={**kept, **given},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == str(told)


def test_an_owner_of_tables_without_a_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MYDEVICES_DATABASE_OWNER_URL", "postgresql://owner@localhost/name")
    with pytest.raises(SystemExit, match=r"DATABASE_OWNER_URL: .*DATABASE_URL"):
        environment.read()


@pytest.mark.parametrize("address", ["nobody", "Archive <archive@a.example>", "a b@c.example"])
def test_the_head_of_the_audit_goes_to_a_plain_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MYDEVICES_AUDIT_HEAD_TO", address)
    with pytest.raises(SystemExit, match="AUDIT_HEAD_TO"):
        environment.read()


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("postgresql:///name", True),
        ("postgresql://server@localhost/name", True),
        ("postgresql://server@127.0.0.1:5433/name", True),
        ("postgresql://server@[::1]/name", True),
        ("postgresql://server@%2Fvar%2Frun%2Fpostgresql/name", True),
        ("postgresql://server@/name?host=/var/run/postgresql", True),
        ("postgresql://server@db.example/name?sslmode=verify-full&sslrootcert=system", True),
        ("postgresql://server@db.example/name", False),
        ("postgresql://server@10.0.0.5/name?sslmode=require", False),
        ("postgresql://server@db.example/name?sslmode=verify-ca", False),
        ("postgresql://server@localhost/name?host=db.example", False),
        ("postgresql://server@localhost/name?hostaddr=10.0.0.5", False),
        ("postgresql://server@/name?service=devices", False),
        ("postgresql://server@localhost,db.example/name", False),
    ],
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "MYDEVICES_DATABASE_OWNER_URL"])
def test_a_database_elsewhere_has_its_certificate_checked(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str, protected: bool
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://server@localhost/name")
    monkeypatch.setenv(name, url)
    if protected:
        environment.read()
        return
    with pytest.raises(SystemExit, match=rf"  {name}: .*sslmode=verify-full"):
        environment.read()
    monkeypatch.setenv("MYDEVICES_ALLOW_UNENCRYPTED", "true")
    environment.read()


def test_a_database_that_only_libpqs_own_settings_name_is_elsewhere_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("DATABASE_URL", "postgresql:///name")
    with pytest.raises(SystemExit, match="sslmode=verify-full"):
        environment.read()


def test_what_refuses_a_database_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://server:between-us@db.example/name")
    with pytest.raises(SystemExit) as refused:
        environment.read()
    assert "between-us" not in str(refused.value)
    monkeypatch.setenv("MYDEVICES_ALLOW_UNENCRYPTED", "true")
    assert "between-us" not in repr(environment.read())


@pytest.mark.parametrize(
    ("url", "is_good"),
    [("https://push.example", True), ("http://localhost:9", True), ("http://push.example", False), ("", False)],
)
def test_the_push_service_is_reached_by_https(monkeypatch: pytest.MonkeyPatch, url: str, is_good: bool) -> None:
    monkeypatch.setenv("MYDEVICES_APPLE_PUSH_URL", url)
    if is_good:
        assert environment.read().apple_push_url == url
        return
    with pytest.raises(SystemExit, match=r"APPLE_PUSH_URL: .*https"):
        environment.read()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://devices.example.org", "https"),
        ("http://10.0.0.5:8000", "https"),
        ("ftp://devices.example.org", "an address like"),
        ("https://devices.example.org/portal", "an address like"),
        ("devices.example.org", "an address like"),
    ],
)
def test_people_and_devices_reach_the_server_by_https(monkeypatch: pytest.MonkeyPatch, url: str, why: str) -> None:
    monkeypatch.setenv("MYDEVICES_PUBLIC_URL", url)
    with pytest.raises(SystemExit, match=rf"PUBLIC_URL: .*{why}"):
        environment.read()
    for good in ("https://devices.example.org", "http://localhost:8000"):
        monkeypatch.setenv("MYDEVICES_PUBLIC_URL", good)
        assert environment.read().public_url == good


def test_mail_to_another_machine_is_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYDEVICES_MAIL_FROM", "devices@aldermoor.example")
    monkeypatch.setenv("MYDEVICES_SMTP_URL", "smtp://mail.example?tls=none")
    with pytest.raises(SystemExit, match=r"SMTP_URL: .*unencrypted"):
        environment.read()
    monkeypatch.setenv("MYDEVICES_ALLOW_UNENCRYPTED", "true")
    environment.read()
    monkeypatch.setenv("MYDEVICES_SMTP_URL", "smtp://user:password@mail.example?tls=none")  # a password never
    with pytest.raises(SystemExit, match=r"SMTP_URL: .*unencrypted"):
        environment.read()
    monkeypatch.delenv("MYDEVICES_ALLOW_UNENCRYPTED")
    monkeypatch.setenv("MYDEVICES_SMTP_URL", "smtp://localhost?tls=none")
    environment.read()
