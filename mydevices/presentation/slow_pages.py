"""Pages that wait for something outside of the server's own threads: a file being opened, a provider, a mail server.

A view says so itself, with `waits`. `front` reads that at its start and has such requests answered in threads of their
own, so that however many of them wait, other pages don't."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, get_resolver

from mydevices.accounts.models import Person

AT_ONCE: Final = 2
"""Requests of one person that may wait at the same time, in one process."""
AGAIN: Final = "10"
"""Seconds after which one who has to wait may come again."""

Response = TypeVar("Response", bound=HttpResponseBase)


class _Turns:
    """Who waits, and for how many requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, who: str) -> Iterator[bool]:
        """Whether there was a turn; it's given back at the end."""
        with self._lock:
            has_turn = self._taken[who] < AT_ONCE
            if has_turn:
                self._taken[who] += 1
        try:
            yield has_turn
        finally:
            with self._lock:
                if has_turn:
                    self._taken[who] -= 1
                if not self._taken[who]:
                    del self._taken[who]


_turns: Final = _Turns()


def waits(*methods: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Declare that a view waits when it is asked by these methods. One person has two such requests at once; a third is
    told to come again. Stands first among a view's decorators."""

    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **named: Any) -> Response:
            who = _who(request)
            if not who or not _is_among(request.method, methods):
                return view(request, *args, **named)
            with _turns.take(who) as has_turn:
                if has_turn:
                    return view(request, *args, **named)
            response = render(request, "waiting.html", status=429)
            response["Retry-After"] = AGAIN
            return cast("Response", response)  # whatever kind the view gives

        guarded.waits = frozenset(methods)  # type: ignore[attr-defined]  # a function has what it is given
        return guarded

    return decorate


def _who(request: HttpRequest) -> str:
    """Whose turn it is: a person's, in whichever sessions; before a sign-in, that of the session. Nobody's without one:
    those have nothing to bring that would be waited for."""
    if isinstance(request.user, Person):
        return str(request.user.pk)
    return request.session.session_key or ""


def _is_among(method: str | None, methods: frozenset[str] | tuple[str, ...]) -> bool:
    name = (method or "").upper()
    return ("GET" if name == "HEAD" else name) in methods


def addresses() -> Callable[[str, str], bool]:
    """A function that says whether a request waits, by its method and path: for all views that are declared so."""
    found = [(re.compile(pattern), methods) for pattern, methods in _declared(get_resolver(), "")]

    def is_one(method: str, path: str) -> bool:
        return any(_is_among(method, methods) and pattern.match(path[1:]) for pattern, methods in found)

    return is_one


def _declared(resolver: URLResolver, before: str) -> Iterator[tuple[str, frozenset[str]]]:
    for entry in resolver.url_patterns:
        route = before + entry.pattern.regex.pattern.removeprefix("^")
        if isinstance(entry, URLResolver):
            yield from _declared(entry, route)
        elif isinstance(entry, URLPattern):
            methods: frozenset[str] | None = getattr(entry.callback, "waits", None)
            if methods:
                yield route, methods
