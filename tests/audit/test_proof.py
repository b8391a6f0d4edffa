"""Whose proof is fresh enough for what."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from mydevices.audit import proof
from mydevices.audit.actor import FRESH, Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import NeedsFreshAuthentication
from tests import factories

pytestmark = pytest.mark.django_db


def test_every_exception_has_a_reason_in_a_sentence() -> None:
    for reason in proof.EXCEPTIONS.values():
        assert reason.endswith(".")
    assert set(proof.ONLY) <= set(proof.EXCEPTIONS)


def test_a_link_is_a_proof_by_itself_and_so_is_what_was_asked_with_one() -> None:
    now, ines = timezone.now(), factories.person()
    for actor in (Actor.by_link(ines, address="127.0.0.1"), Actor.as_asked(ines), Actor.system("queue")):
        proof.require(actor, Verb.CERTIFICATE_DELETED, None, now)
    for stale in (None, now - FRESH - timedelta(seconds=1)):
        with pytest.raises(NeedsFreshAuthentication):
            proof.require(factories.actor(ines, proved=stale), Verb.CERTIFICATE_DELETED, None, now)


@pytest.mark.parametrize("action", ["lock", "lost", "locate", "sound", "found", "check_in", "unlock", "wipe", "retire"])
def test_what_protects_one_device_needs_no_fresh_proof(action: str) -> None:
    ines = factories.person()
    stale = factories.actor(ines, proved=None)

    def excepted(owner: UUID, reason: str = "") -> bool:
        details = {"action": action, **({"reason": reason} if reason else {})}
        return proof.is_excepted(stale, Verb.ACTION_REQUESTED, details, person_id=owner)

    assert excepted(ines.id) is (action not in {"unlock", "wipe", "retire"})
    assert excepted(uuid4(), "Lost on the train") is (action not in {"unlock", "wipe", "retire", "locate"})
    assert not excepted(uuid4())
