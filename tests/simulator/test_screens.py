"""The page that shows the devices, and its JSON API."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.device import Device
from simulator.fleet import Fleet, new_device
from simulator.iphone import USUAL_PASSCODE
from simulator.screens import Screens
from simulator.state import Screen
from tests.simulator.server import BASE, Server


@pytest.fixture
def fleet(server: Server) -> Iterator[Fleet]:
    with Fleet(send=server) as fleet:
        yield fleet


@pytest.fixture
def client(fleet: Fleet) -> Iterator[httpx2.Client]:
    with Screens(fleet=fleet) as screens, httpx2.Client(base_url=screens.url, trust_env=False) as client:
        yield client


@pytest.fixture
def iphone(server: Server, fleet: Fleet, device_key: rsa.RSAPrivateKey) -> Device:
    device = fleet.add(new_device("iphone", send=server, name="<b>Ines</b>", supervised=True, key=device_key))
    device.register(server.profile())
    return device


def test_the_page_shows_what_the_device_shows(client: httpx2.Client, server: Server, iphone: Device) -> None:
    server.enqueue("DeviceLock", Message="<script>alert(1)</script>", PhoneNumber="+49 40 1234")
    iphone.poll()
    page = client.get("/")
    assert page.status_code == 200
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert "<b>Ines</b>" not in page.text
    assert "+49 40 1234" in page.text
    assert 'data-screen="locked"' in page.text


@pytest.mark.parametrize("kind", ["iphone", "ipad", "mac"])
@pytest.mark.parametrize("screen", list(Screen))
def test_every_device_is_drawn_in_every_state(
    client: httpx2.Client, server: Server, fleet: Fleet, kind: str, screen: Screen
) -> None:
    device = fleet.add(new_device(kind, send=server))
    device.memory.screen = screen
    page = client.get("/").text
    assert f'class="glass {screen.value}' in page
    opened = re.findall(r"<(article|div|svg|form|ul|ol|p|details)\b", page)
    closed = re.findall(r"</(article|div|svg|form|ul|ol|p|details)>", page)
    assert sorted(opened) == sorted(closed)


def test_the_page_is_strict_and_self_contained(client: httpx2.Client, iphone: Device) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page.text
    assert not re.findall(r'(?:src|href)="(?!/screens\.|data:,)[^"]*"', page.text)
    for path in ("/screens.css", "/screens.js"):
        assert client.get(path).status_code == 200


def test_an_unchanged_page_is_not_sent_again(client: httpx2.Client, iphone: Device) -> None:
    first = client.get("/cards")
    again = client.get("/cards", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    iphone.lock_screen()
    assert client.get("/cards", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_a_visitor_unlocks_a_device_by_form(client: httpx2.Client, iphone: Device) -> None:
    iphone.lock_screen()
    wrong = client.post(f"/devices/{iphone.udid}/unlock", data={"code": "0000"})
    assert wrong.status_code == 400
    assert "Wrong passcode." in wrong.text
    right = client.post(f"/devices/{iphone.udid}/unlock", data={"code": USUAL_PASSCODE})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert iphone.memory.screen is Screen.HOME


def api(client: httpx2.Client, device: Device, action: str, **values: Any) -> httpx2.Response:
    return client.post(f"/api/devices/{device.udid}/{action}", json=values)


def test_the_api_lists_and_acts(client: httpx2.Client, server: Server, iphone: Device) -> None:
    listed = client.get("/api/devices").json()["devices"]
    assert [item["udid"] for item in listed] == [iphone.udid]
    assert api(client, iphone, "lock").json()["screen"] == "locked"
    assert api(client, iphone, "unlock", code="1").json() == {"error": "Wrong passcode."}
    assert api(client, iphone, "unlock", code=USUAL_PASSCODE).json()["screen"] == "home"
    assert api(client, iphone, "offline").json()["online"] is False
    assert api(client, iphone, "online").json()["online"] is True
    assert api(client, iphone, "restart").json()["restarted"] is True
    assert api(client, iphone, "passcode", passcode="").json()["passcode"] is None
    assert api(client, iphone, "poll").status_code == 200
    assert server.reports
    assert api(client, iphone, "leave").json()["registered"] is False
    profile = base64.b64encode(server.profile()).decode()
    assert api(client, iphone, "register", profile=profile).json()["registered"] is True
    assert client.get(f"/api/devices/{iphone.udid}").json()["name"] == "<b>Ines</b>"
    assert api(client, iphone, "remove").json() == {}
    assert client.get("/api/devices").json() == {"devices": []}


def test_behaviour_is_switched_by_name_and_type(client: httpx2.Client, iphone: Device) -> None:
    assert api(client, iphone, "behaviour", busy=True, delay=0.5, act_as="x").status_code == 200
    assert (iphone.behaviour.busy, iphone.behaviour.delay, iphone.behaviour.act_as) == (True, 0.5, "x")
    for wrong in ({"busy": "yes"}, {"delay": -1}, {"delay": True}, {"act_as": 5}, {"__class__": "x"}):
        assert api(client, iphone, "behaviour", **wrong).status_code == 400


def test_an_address_is_opened_on_a_new_device(client: httpx2.Client, server: Server, fleet: Fleet) -> None:
    server.overrides["/r/abc"] = (200, {"content-type": "application/x-apple-aspen-config"}, server.profile())
    made = client.post("/api/devices", json={"kind": "ipad", "name": "New iPad", "url": f"{BASE}/r/abc"})
    assert made.status_code == 200
    assert (made.json()["registered"], made.json()["name"]) == (True, "New iPad")
    failed = client.post("/api/devices", json={"kind": "iphone", "url": f"{BASE}/nothing"})
    assert failed.status_code == 400
    assert len(fleet.devices()) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/devices/none", 404),
        ("GET", "/../__main__.py", 404),
        ("GET", "/nothing", 404),
        ("POST", "/api/devices/none/lock", 404),
        ("POST", "/elsewhere", 404),
        ("PUT", "/", 501),
    ],
)
def test_anything_else_is_not_there(client: httpx2.Client, method: str, path: str, status: int) -> None:
    assert client.request(method, path).status_code == status


def test_an_unknown_action_is_not_there(client: httpx2.Client, iphone: Device) -> None:
    assert api(client, iphone, "explode").status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b"5"])
def test_a_body_that_is_no_json_object_is_refused(client: httpx2.Client, iphone: Device, body: bytes) -> None:
    answer = client.post(f"/api/devices/{iphone.udid}/lock", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert iphone.memory.screen is Screen.HOME


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "elsewhere.example"},
        {"Host": "localhost.elsewhere.example"},
    ],
)
def test_other_sites_cannot_press_its_buttons(client: httpx2.Client, iphone: Device, headers: dict[str, str]) -> None:
    answer = client.post(f"/devices/{iphone.udid}/lock", headers=headers)
    assert answer.status_code == 403
    assert iphone.memory.screen is Screen.HOME
