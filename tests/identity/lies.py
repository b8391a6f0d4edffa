"""What the provider says instead of the truth, or does instead of answering: for tests of who believes it.

The lies lie in a file beside its database, which the tests write and the provider reads for each request. The truth is
django-allauth's, which would never say such things: so they are told around it, in WSGI.
"""

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PLACES: Final = {
    "/.well-known/openid-configuration": "metadata",
    "/.well-known/jwks.json": "keys",
    "/identity/o/api/token": "token",
    "/identity/o/api/userinfo": "userinfo",
}
STALLED: Final = 30
"""Seconds after which a stalled answer goes on by itself, should nobody let it."""


class Lies:
    """The provider, with what it makes of the truth.

    `claims`, `userinfo`, `metadata`: values put in place of the true ones, None to leave one out. `header`: of the ID
    token. `alg`: "none", "HS256" (with the public key as the secret), or one of `KEYS`. `signer`: "stranger" for a key
    that is not in the list. `also`: further keys in the list. `stall`: places that do not answer until they are let;
    with a host behind them ("token@localhost") by that name alone. `answers`: place to [status, headers, body] to give
    instead."""

    def __init__(self, truth: WSGIApplication, folder: Path, key: rsa.RSAPrivateKey) -> None:
        self._truth, self._folder, self._key = truth, folder, key
        self._keys: dict[str, Any] = {
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "stranger": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        }
        self._lock = threading.Lock()
        # One at a time: its database is SQLite, and it has no reason to take turns there.
        self._turn = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        place = PLACES.get(environ["PATH_INFO"])
        if place is None:
            with self._turn:
                return self._truth(environ, start)
        lies = self._read()
        self._note(place)
        stalls = {place, f"{place}@{environ['HTTP_HOST'].partition(':')[0]}"}
        ends = time.monotonic() + STALLED
        while stalls & set(self._read().get("stall", ())) and time.monotonic() < ends:
            time.sleep(0.02)
        if place in lies.get("answers", {}):
            status, headers, body = lies["answers"][place]
            start(status, [tuple(header) for header in headers])
            return [body.encode()]
        with self._turn:
            status, headers, body = _whole(self._truth, environ)
        if status.startswith("200"):
            body = json.dumps(self._told(place, json.loads(body), lies)).encode()
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def _read(self) -> dict[str, Any]:
        try:
            lies: dict[str, Any] = json.loads((self._folder / "lies.json").read_text())
        except (FileNotFoundError, ValueError):  # none, or being written
            return {}
        return lies

    def _note(self, place: str) -> None:
        with self._lock, (self._folder / "asked.txt").open("a") as asked:
            asked.write(f"{place}\n")

    def _told(self, place: str, truth: dict[str, Any], lies: dict[str, Any]) -> dict[str, Any]:
        if place == "token":
            return {**truth, "id_token": self._token(truth["id_token"], lies)}
        if place == "keys":
            return {"keys": [*truth["keys"], *(self._public(name) for name in lies.get("also", ()))]}
        return _changed(truth, lies.get(place, {}))

    def _public(self, name: str) -> dict[str, Any]:
        public = self._keys[name].public_key()
        kind = jwt.algorithms.ECAlgorithm if name == "ES256" else jwt.algorithms.RSAAlgorithm
        return {**json.loads(kind.to_jwk(public)), "kid": name, "use": "sig"}

    def _token(self, true: str, lies: dict[str, Any]) -> str:
        claims = _changed(jwt.decode(true, options={"verify_signature": False}), lies.get("claims", {}))
        header = _changed(jwt.get_unverified_header(true), lies.get("header", {}))
        algorithm = lies.get("alg", "RS256")
        if algorithm == "none":
            head = _encoded({**header, "alg": "none"})
            return f"{head}.{_encoded(claims)}."
        if algorithm == "HS256":
            secret = self._key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )

            signed = f"{_encoded({**header, 'alg': 'HS256'})}.{_encoded(claims)}"
            return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"
        name = lies.get("signer", "ES256" if algorithm == "ES256" else "")
        header.pop("alg", None)
        if name:
            header["kid"] = lies.get("header", {}).get("kid", name)
        return jwt.encode(claims, self._keys.get(name, self._key), algorithm=algorithm, headers=header)


def _whole(application: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
    seen: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], object]:
        seen[:] = [status, headers]
        return lambda _data: None

    body = b"".join(application(environ, start))
    return seen[0], seen[1], body


def _changed(truth: dict[str, Any], lies: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**truth, **lies}.items() if value is not None}


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
