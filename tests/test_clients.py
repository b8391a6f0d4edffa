"""Which certificate a client has proved itself with, as a trusted proxy passes it on."""

from base64 import b64encode
from urllib.parse import quote

import pytest
from pydantic import ValidationError
from pytest_django import Settings

from mydevices import clients, plane
from mydevices.environment import Environment
from mydevices.port import routes

DER = bytes(range(256)) * 4
TEXT = b64encode(DER).decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{TEXT[:64]}\n{TEXT[64:]}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("header", [f":{TEXT}:", f" :{TEXT}: ", quote(PEM), quote(PEM.replace("\n", "\r\n"))])
def test_a_certificate_is_read_in_both_forms(header: str) -> None:
    assert clients.certificate(header) == DER


@pytest.mark.parametrize(
    "header",
    [
        "",
        ":",
        "::",
        TEXT,
        f":{TEXT}",
        f":{TEXT}: , :{TEXT}:",
        ":not base64:",
        ":\u0661\u0662\u0663\u0664:",
        quote(PEM + PEM),
        f"{quote(PEM)}, {quote(PEM)}",
        quote(PEM.replace("END", "ENDE")),
        quote("-----BEGIN CERTIFICATE-----"),
        f":{b64encode(b'x' * 20_000).decode()}:",
    ],
)
def test_anything_else_is_none(header: str) -> None:
    assert clients.certificate(header) == b""


@pytest.mark.parametrize(("name", "given"), [("", b""), ("Client-Cert", DER), ("X-Other", b"")])
def test_it_is_believed_where_a_header_is_named_for_it(settings: Settings, name: str, given: bytes) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"trusted_proxies": 1, "client_certificate_header": name}
    )
    assert plane.client_certificate({"client-cert": f":{TEXT}:"}) == given


@pytest.mark.parametrize(("path", "is_there"), [("/mdm/x", True), ("/Anywhere.svc", True), ("/anywhere.svc", False)])
def test_an_address_stands_anywhere(monkeypatch: pytest.MonkeyPatch, path: str, *, is_there: bool) -> None:
    route = routes.Route(lambda _request: routes.Response(200), 100, ("GET",))
    monkeypatch.setattr(routes, "ROUTES", {"/Anywhere.svc": route})
    assert plane.is_on_plane(path) is is_there


def test_without_a_proxy_no_header_is_believed() -> None:
    with pytest.raises(ValidationError, match="MYDEVICES_TRUSTED_PROXIES"):
        Environment(client_certificate_header="Client-Cert")
