"""Conversations with OpenID Connect providers: their metadata and keys, tokens for a code, and what they say of people.

A page waits while a provider is asked, and a provider can be slow, down or hostile. So every request has one time limit
from the look-up of its name to the last byte (`settings.PROVIDER_SECONDS`), a largest answer, and no redirects. What
all sign-ins need alike, metadata and keys, is remembered; it is fetched by one thread while all others go on with what
they have, or are told to come again in a moment. And no more than `MOST_AT_ONCE` threads of a process wait for
providers at any time: whoever comes then is told the same at once. Nobody waits for somebody else to have waited.
"""

import asyncio
import base64
import contextlib
import os
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx2
from django.conf import settings

from mydevices.accounts import providers
from mydevices.accounts.models import Provider
from mydevices.errors import MyDevicesError, ProtocolError
from mydevices.protocols import oidc
from mydevices.protocols.oidc import Claims, Key, Metadata, UnknownKey

KEPT: Final = 3600.0
"""Seconds after which metadata and keys are fetched again."""
STALE: Final = 24 * 3600.0
"""Seconds for which they are of use where the provider does not answer."""
PAUSE: Final = 10.0
"""Seconds after a failure in which the provider is not asked again for them."""
LARGEST: Final = 512 * 1024
"""Bytes of an answer."""
MOST_AT_ONCE: Final = 3
"""Threads of a process that wait for providers at the same time: fewer than `front` has for pages that wait."""
MOST_FOR_ONE: Final = 2
"""Those of them that wait for one provider, so that a slow one keeps nobody from another."""
MOST_KNOWN: Final = 32
"""Providers of which a process remembers anything."""


class NoAnswer(MyDevicesError):
    """The provider gave no answer that could be used, or none in time. The message is for the audit and the log."""


class Busy(NoAnswer):
    """Others are waiting for the provider already. Worth another try in a moment."""


@dataclass(slots=True)
class _Known:
    """What is remembered of a provider. Whoever holds `fetching` may ask it; all others read."""

    fetching: threading.Lock = field(default_factory=threading.Lock)
    metadata: Metadata | None = None
    keys: Sequence[Key] = ()
    metadata_at: float = -STALE
    keys_at: float = -STALE
    failed_at: float = -PAUSE


_known: dict[str, _Known] = {}
_lock = threading.Lock()
_waiting: Counter[str] = Counter()


def forget() -> None:
    """Remember nothing of any provider."""
    with _lock:
        _known.clear()


def _of(issuer: str) -> _Known:
    with _lock:
        if issuer not in _known:
            while len(_known) >= MOST_KNOWN:
                del _known[next(iter(_known))]
            _known[issuer] = _Known()
        return _known[issuer]


@contextlib.contextmanager
def place(provider: Provider) -> Iterator[None]:
    """One of the few places of those who wait. Raises Busy where there is none."""
    issuer = provider.issuer
    with _lock:
        if _waiting[issuer] >= MOST_FOR_ONE or _waiting.total() >= MOST_AT_ONCE:
            raise Busy("Too many wait for providers already.")
        _waiting[issuer] += 1
    try:
        yield
    finally:
        with _lock:
            _waiting[issuer] -= 1
            if not _waiting[issuer]:
                del _waiting[issuer]


def metadata_of(provider: Provider) -> Metadata:
    """Where the provider is. Raises NoAnswer."""
    known, now = _of(provider.issuer), time.monotonic()
    if known.metadata is not None and now - known.metadata_at < KEPT:
        return known.metadata
    try:
        with place(provider):
            _once(known, lambda: _fetch_metadata(known, provider.issuer))
    except NoAnswer:
        if known.metadata is None or now - known.metadata_at >= STALE:
            raise
    if known.metadata is None:
        raise NoAnswer("There are no metadata.")
    return known.metadata


def prepared(provider: Provider) -> Metadata:
    """The same, with the provider's keys at hand: so that whoever comes back finds all that is common to everybody, and
    is not told to come again once their code is spent. Raises NoAnswer."""
    metadata, known = metadata_of(provider), _of(provider.issuer)
    if not known.keys or time.monotonic() - known.keys_at >= KEPT:
        with place(provider):
            _keys_of(provider, metadata)
    return metadata


def _fetch_metadata(known: _Known, issuer: str) -> None:
    body = _asked(issuer, "GET", oidc.well_known(issuer))
    known.metadata = oidc.metadata(body, issuer=issuer)
    known.metadata_at = time.monotonic()


def _fetch_keys(known: _Known, issuer: str, metadata: Metadata) -> None:
    known.keys = oidc.keys(_asked(issuer, "GET", metadata.jwks_uri))
    known.keys_at = time.monotonic()


def _once(known: _Known, fetch: Callable[[], None]) -> None:
    """Fetch, unless somebody does already or it has just failed. Raises NoAnswer."""
    if time.monotonic() - known.failed_at < PAUSE:
        raise NoAnswer("The provider did not answer a moment ago.")
    if not known.fetching.acquire(blocking=False):
        raise Busy("The provider is being asked already.")
    try:
        fetch()
    except (NoAnswer, ProtocolError) as error:
        known.failed_at = time.monotonic()
        raise NoAnswer(error.message) from error
    finally:
        known.fetching.release()


def _keys_of(provider: Provider, metadata: Metadata) -> Sequence[Key]:
    """The provider's keys. Raises NoAnswer where there are none."""
    known, now = _of(provider.issuer), time.monotonic()
    if known.keys and now - known.keys_at < KEPT:
        return known.keys
    try:
        _once(known, lambda: _fetch_keys(known, provider.issuer, metadata))
    except NoAnswer:
        if not known.keys or now - known.keys_at >= STALE:
            raise
    return known.keys


def way_there(
    provider: Provider, *, back: str, state: str, nonce: str, challenge: str, asked: Mapping[str, str]
) -> str:
    """The address at the provider where somebody signs in, who is then sent `back`. Raises NoAnswer."""
    endpoint = metadata_of(provider).authorization_endpoint
    wanted = {
        **asked,
        "response_type": "code",
        "scope": "openid profile email",
        "client_id": provider.client_id,
        "redirect_uri": back,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(wanted, quote_via=quote)}"


def said(
    provider: Provider,
    metadata: Metadata,
    *,
    code: str,
    back: str,
    verifier: str,
    nonce: str,
    named: str | None,
    now: datetime,
) -> Claims:
    """What the provider says of whoever came back with this code; `named` is the issuer that stood beside it (RFC
    9207). For somebody who has a `place`.

    Raises NoAnswer where it says nothing in time, ProtocolError with the reason where it is not to be believed."""
    if named != metadata.issuer and (named is not None or metadata.names_itself):
        raise ProtocolError("The answer comes from another provider than the one that was asked.")
    token, access = oidc.granted(_exchange(provider, metadata, code=code, back=back, verifier=verifier))
    claims = _identity(provider, metadata, token, nonce, now)
    answer: dict[str, Any] = {}
    if metadata.userinfo_endpoint and access:
        headers = {"Authorization": f"Bearer {access}"}
        body = _asked(provider.issuer, "GET", metadata.userinfo_endpoint, headers=headers)
        answer = oidc.userinfo(body, subject=claims["sub"])
    return oidc.claims(claims, answer, groups_claim=provider.groups_claim, now=now)


def _exchange(provider: Provider, metadata: Metadata, *, code: str, back: str, verifier: str) -> bytes:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
    headers, secret = {}, providers.secret_of(provider)
    if secret and metadata.takes_basic:
        # RFC 6749, 2.3.1: both are encoded first, so that a colon in the name separates nothing.
        pair = f"{quote(provider.client_id, '')}:{quote(secret, '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form["client_id"] = provider.client_id
        if secret:
            form["client_secret"] = secret
    return _asked(provider.issuer, "POST", metadata.token_endpoint, headers=headers, form=form)


def _identity(provider: Provider, metadata: Metadata, token: object, nonce: str, now: datetime) -> dict[str, Any]:
    """The ID token's claims. A key that is not known may be a new one: then the list is fetched again, once."""

    def believed(known: Sequence[Key]) -> dict[str, Any]:
        return oidc.identity(
            token, known=known, issuer=metadata.issuer, client_id=provider.client_id, nonce=nonce, now=now
        )

    try:
        return believed(_keys_of(provider, metadata))
    except UnknownKey:
        return believed(_newer_keys(provider, metadata))


def _newer_keys(provider: Provider, metadata: Metadata) -> Sequence[Key]:
    """The keys as they are now. Whoever fetches them at this moment fetches them for all. Raises NoAnswer."""
    known = _of(provider.issuer)
    before = known.keys_at
    if not known.fetching.acquire(timeout=settings.PROVIDER_SECONDS):
        raise NoAnswer("The provider did not answer in time.")
    try:
        if known.keys_at == before:
            _fetch_keys(known, provider.issuer, metadata)
    except ProtocolError as error:
        raise NoAnswer(error.message) from error
    finally:
        known.fetching.release()
    return known.keys


# One event loop in a thread of its own asks for everybody: on it a time limit holds for all of a request, its headers
# that trickle in as well, which the time limits of sockets do not.


@cache
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="providers", daemon=True).start()
    return loop


@cache
def _trust() -> ssl.SSLContext:
    context = httpx2.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _run(work: Coroutine[Any, Any, bytes]) -> bytes:
    with _lock:
        loop = _loop(os.getpid())
    future: Future[bytes] = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        # Longer than the work itself may take, for whatever it does when its time is over.
        return future.result(settings.PROVIDER_SECONDS + 1)
    finally:
        future.cancel()


def _asked(
    issuer: str,
    method: str,
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> bytes:
    """The body of an answer of 200. Raises NoAnswer for any other, a larger one, and one that is not there in time."""
    if not oidc.is_reachable(address, locally=oidc.is_local(issuer)):
        raise NoAnswer("The provider's address does not begin with https://.")
    if not oidc.is_expected(address, issuer=issuer, hosts=settings.ENVIRONMENT.provider_hosts):
        # Stands in the audit with the sign-in that failed.
        host = urlsplit(address).hostname
        raise NoAnswer(f"The provider names an address of {host}, which MYDEVICES_PROVIDER_HOSTS does not list.")
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    try:
        return _run(_answered(method, address, sent, form))
    except TimeoutError as error:
        raise NoAnswer("The provider did not answer in time.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise NoAnswer(f"The provider could not be reached: {type(error).__name__}.") from error


async def _answered(method: str, address: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
    here = (urlsplit(address).hostname or "") in oidc.LOOPBACK
    async with (
        asyncio.timeout(settings.PROVIDER_SECONDS),
        # No proxy of the environment leads to this machine itself.
        httpx2.AsyncClient(verify=_trust(), trust_env=not here, follow_redirects=False, timeout=None) as client,
        client.stream(method, address, headers=headers, data=form) as response,
    ):
        if response.status_code != httpx2.codes.OK:
            raise NoAnswer(f"The provider answered {response.status_code}.")
        body = b""
        # As it comes: nothing is unpacked that was not asked to be packed.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LARGEST:
                raise NoAnswer("The provider's answer is too large.")
        return body
