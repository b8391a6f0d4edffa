"""A real OpenID Connect provider, in a process of its own, for all tests that sign in with one."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from mydevices.accounts import openid, providers
from tests.identity.arriving import BACK
from tests.identity.running import Identity, running_identity


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    with running_identity(tmp_path_factory.mktemp("identity"), BACK) as identity:
        yield identity


@pytest.fixture
def identity(running: Identity, settings: object) -> Iterator[Identity]:
    """The provider, honest until a test has it lie, and nothing known of it."""
    settings.ALLOWED_HOSTS = ["testserver"]  # type: ignore[attr-defined]  # a pytest-django fixture
    cache.clear()
    forget()
    running.be_honest()
    yield running
    running.be_honest()
    forget()


def forget() -> None:
    providers.forget()
    openid.forget()
