"""Who issues e-mail certificates gives files that people can upload."""

from pathlib import Path

import pytest
from django.utils import timezone

from mydevices.protocols.pki import pkcs12, smime
from mydevices.protocols.pki.smime import Purpose, Refusal
from simulator.__main__ import main


def issued(folder: Path, purpose: str) -> bytes:
    out = folder / "issued.p12"
    person = ["--name", "Ines Okafor", "--email", "ines@aldermoor.example"]
    made = ["--purpose", purpose, "--password", "meadow lantern", "--out", str(out)]
    assert main(["mail-identity", "--state", str(folder), *person, *made]) == 0
    return out.read_bytes()


@pytest.mark.parametrize(
    ("made_for", "judged_for", "refusals"),
    [
        ("signing", "signing", ()),
        ("signing", "encryption", (Refusal.NOT_FOR_ENCRYPTION,)),
        ("encryption", "encryption", ()),
        ("encryption", "signing", (Refusal.NOT_FOR_SIGNING,)),
        ("both", "both", ()),
    ],
)
def test_what_is_issued_is_good_for_its_purpose(
    tmp_path: Path, made_for: str, judged_for: Purpose, refusals: tuple[Refusal]
) -> None:
    bundle = pkcs12.open_bundle(issued(tmp_path, made_for), "meadow lantern")
    assessment = smime.assess(bundle, now=timezone.now(), purpose=judged_for, addresses=["ines@aldermoor.example"])
    assert (assessment.refusals, assessment.cautions) == (refusals, ())
    assert len(bundle.chain) == 1


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "nowhere" / "issued.p12"
    arguments = ["--name", "Ines", "--email", "ines@aldermoor.example", "--password", "meadow", "--out", str(out)]
    assert main(["mail-identity", "--state", str(tmp_path), *arguments]) == 1
    assert "nowhere" in capsys.readouterr().err
