"""What `./run manage render_profiles` writes."""

from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mydevices.accounts.models import Person
from mydevices.certificates import uploads as keeping
from mydevices.commands.models import Command
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.devices.models import Device, Registration
from mydevices.platforms.apple.management.commands.render_profiles import LONGEST, safe, unused
from mydevices.platforms.apple.payloads import MARKER
from mydevices.protocols.apple import plist, schema
from mydevices.protocols.pki import wrapping
from mydevices.vault import services as vault
from tests import factories
from tests.configurations.test_delivery import Office, made
from tests.configurations.test_web_clip import work


@pytest.fixture
def ines(db: None) -> Person:
    return factories.person()


@pytest.fixture
def devices(ines: Person) -> tuple[Device, Device]:
    """An iPhone and a Mac with everything on them that there is."""
    iphone, mac = factories.device(ines), factories.mac(ines)
    office = Office()
    made("Portal", WebClip(label="Portal", url="https://portal.example/"))
    old = office.upload(ines, office.encryption)
    office.upload_both(ines)
    assert old.replaced_at is None
    work()
    return iphone, mac


def run(*arguments: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("render_profiles", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.mobileconfig"))


def test_every_device_has_a_folder_with_a_file_for_each_profile(devices: tuple[Device, Device], tmp_path: Path) -> None:
    before = Command.objects.count()
    said, wrong = run("--all", "--out", tmp_path / "out")
    assert listed(tmp_path / "out") == [
        "ios-Ines’s iPhone/Encryption (2).mobileconfig",
        "ios-Ines’s iPhone/Encryption.mobileconfig",
        "ios-Ines’s iPhone/Mail.mobileconfig",
        "ios-Ines’s iPhone/Portal.mobileconfig",
        "macos-Studio MacBook/Encryption (2).mobileconfig",
        "macos-Studio MacBook/Encryption.mobileconfig",
        "macos-Studio MacBook/Mail.mobileconfig",
        "macos-Studio MacBook/Portal.mobileconfig",
        "macos-Studio MacBook/Signing.mobileconfig",
    ]
    assert (said, wrong) == (f"Devices: 2. Profiles: 9, in {tmp_path / 'out'}.\n", "")
    assert Command.objects.count() == before


def test_each_file_is_as_apples_schema_has_it_and_holds_no_key(
    devices: tuple[Device, Device], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_what: object, **_more: object) -> None:
        raise AssertionError("a key was opened")

    monkeypatch.setattr(vault, "open_sealed", refuse)
    monkeypatch.setattr(wrapping, "wrap", refuse)
    run("--all", "--out", tmp_path)
    kinds = set()
    for path in tmp_path.rglob("*.mobileconfig"):
        is_mac = path.parent.name.startswith("macos-")
        top = plist.loads(path.read_bytes())
        found = schema.validate(top, os="macOS" if is_mac else "iOS", channel="user" if is_mac else "device")
        assert found == [], path
        content = top["PayloadContent"]
        assert isinstance(content, list)
        for payload in content:
            kinds.add(payload["PayloadType"])
            if payload["PayloadType"] == "com.apple.security.pkcs12":
                assert (payload["PayloadContent"], payload["Password"]) == (MARKER.encode(), MARKER)
    assert kinds == {
        "com.apple.webClip.managed",
        "com.apple.security.pkcs12",
        "com.apple.security.pkcs1",
        "com.apple.eas.account",
        "com.apple.ews.account",
    }


def test_one_device_can_be_chosen(devices: tuple[Device, Device], tmp_path: Path) -> None:
    _iphone, mac = devices
    run("--device", mac.id, "--out", tmp_path)
    assert {name.split("/")[0] for name in listed(tmp_path)} == {"macos-Studio MacBook"}


def test_what_is_not_sent_is_said_and_not_written(ines: Person, tmp_path: Path) -> None:
    factories.device(ines)
    office = Office()
    made("Half", Exchange(host="mail.example", user_name="$USERNAME"))
    certificate = office.upload(ines, office.signing)
    keeping.clear_key(actor=factories.actor(ines), certificate=certificate, now=timezone.now())
    Person.objects.filter(id=ines.id).update(email="")
    said, wrong = run("--all", "--out", tmp_path)
    assert listed(tmp_path) == []
    assert "Devices: 1. Profiles: 0" in said
    assert "“Mail” is not sent. The private key of the certificate is not kept here any more" in wrong
    assert "“Half” is not sent." in wrong


def test_devices_of_one_name_have_folders_of_their_own(ines: Person, tmp_path: Path) -> None:
    for _ in range(3):
        factories.device(ines, name="../Phone")
    made("Portal/Start", WebClip(label="Portal", url="https://portal.example/"))
    run("--all", "--out", tmp_path / "out")
    assert listed(tmp_path / "out") == [
        "ios-_Phone (2)/Portal_Start.mobileconfig",
        "ios-_Phone (3)/Portal_Start.mobileconfig",
        "ios-_Phone/Portal_Start.mobileconfig",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_something_in_it_is_left_alone(devices: tuple[Device, Device], tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("kept")
    with pytest.raises(CommandError, match="is not empty"):
        run("--all", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]
    with pytest.raises(CommandError, match="cannot be written"):
        run("--all", "--out", tmp_path / "letter")


def test_a_device_that_is_none_or_is_not_managed_is_named_as_such(ines: Person, tmp_path: Path) -> None:
    ended = factories.device(ines)
    Registration.objects.update(state=Registration.State.RETIRED)
    for text in ("phone", "\0", str(uuid4()), str(ended.id)):
        with pytest.raises(CommandError):
            run("--device", text, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@given(st.text(max_size=300))
def test_any_name_makes_a_part_of_a_path(name: str) -> None:
    made = safe(name)
    assert 0 < len(made.encode()) <= LONGEST
    assert Path(made).name == made
    assert not made.startswith(".")
    assert "\0" not in made


def test_a_name_that_is_taken_gets_a_number_whatever_its_case() -> None:
    taken: set[str] = set()
    assert [unused(name, taken) for name in ("Mail", "MAIL", "Mail")] == ["Mail", "MAIL (2)", "Mail (3)"]
