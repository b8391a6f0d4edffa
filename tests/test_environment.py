"""What an operator sets: checked once, with the variable's name in what is said."""

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
