"""The head of the audit's chain leaves this machine once a day, where an operator says where to."""

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from mydevices.accounts import heads, post
from mydevices.accounts.notices import Notice
from mydevices.audit import chain
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.outbox import registry
from mydevices.outbox.models import Message
from mydevices.outbox.registry import Delivery

pytestmark = pytest.mark.django_db


def sealed() -> str:
    audit.record(Verb.SETTINGS_CHANGED, actor=Actor.system("test"))
    chain.seal_committed()
    return chain.verify().head


def test_nothing_goes_where_nothing_is_set() -> None:
    heads.mail()
    heads.write()
    assert not Message.objects.filter(topic="mail").exists()


def test_the_head_is_mailed_with_how_to_check_it(settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"audit_head_to": "archive@a.example"})
    head = sealed()
    registry.PERIODIC["audit.mail_head"].function()
    row = Message.objects.get(topic="mail", payload__notice=Notice.AUDIT_HEAD)
    assert row.payload["to"] == "archive@a.example"
    written = post._message(Delivery(row.id, row.key, row.payload, 1), row.payload["to"], [], sender="a@b.example")
    text = written.get_body(("plain",))
    assert text is not None
    said = text.get_content().replace("\n", " ")
    assert f"./run manage audit_verify --contains {head}" in said
    call_command("audit_verify", "--contains", head)


def test_the_head_is_appended_to_a_file_that_only_its_owner_reads(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "heads"
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"audit_head_log": file})
    heads_in_turn = []
    for _ in range(2):
        heads_in_turn.append(sealed())
        registry.PERIODIC["audit.write_head"].function()
    lines = file.read_text(encoding="ascii").splitlines()
    assert [line.split()[1] for line in lines] == [f"head={head}" for head in heads_in_turn]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_tried_again(settings: Settings, tmp_path: Path) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"audit_head_log": tmp_path / "nowhere" / "heads"})
    with pytest.raises(OSError, match="No such file"):
        heads.write()
