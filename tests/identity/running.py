"""Start the provider, and sign in there as a browser would."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from tests.bench.load import free_port
from tests.cli.conftest import until
from tests.identity.people import PASSWORD

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Identity:
    """A provider that runs."""

    issuer: str
    folder: Path

    @property
    def other_issuer(self) -> str:
        """The same provider by another name: another issuer, with the same people under the same subjects."""
        return self.issuer.replace("localhost", "127.0.0.1")

    def lie(self, **lies: object) -> None:
        """Say this from now on, instead of what is so: see `Lies`."""
        written = self.folder / "lies.new"
        written.write_text(json.dumps(lies))
        written.rename(self.folder / "lies.json")

    def be_honest(self) -> None:
        self.lie()
        (self.folder / "asked.txt").write_text("")

    def asked(self, place: str) -> int:
        """How often one of `PLACES` was asked since it became honest."""
        return (self.folder / "asked.txt").read_text().split().count(place)

    def browser(self) -> requests.Session:
        """A browser that nobody has used yet."""
        return requests.Session()

    def sign_in(self, browser: requests.Session, address: str, username: str) -> str:
        """Follow an authorization request, signing in where the provider asks; the address it sends back to."""
        answer = browser.get(address, timeout=10, allow_redirects=False)
        while True:
            if answer.is_redirect:
                following = urljoin(answer.url, answer.headers["Location"])
                if urlsplit(following).port != urlsplit(self.issuer).port:
                    return following
                answer = browser.get(following, timeout=10, allow_redirects=False)
                continue
            if 'name="password"' not in answer.text:
                raise AssertionError(f"The provider neither asks nor sends back: {answer.status_code} {answer.text}")
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.text)
            wanted = re.search(r'name="next" value="([^"]+)"', answer.text)
            if token is None or wanted is None:
                raise AssertionError(answer.text)
            values = {"csrfmiddlewaretoken": token[1], "login": username, "password": PASSWORD}
            values["next"] = wanted[1].replace("&amp;", "&")
            answer = browser.post(answer.url, values, timeout=10, allow_redirects=False)


def answers(issuer: str) -> bool:
    try:
        return requests.get(f"{issuer}/.well-known/openid-configuration", timeout=2).ok
    except requests.RequestException:
        return False


@contextlib.contextmanager
def running_identity(folder: Path, callback: str) -> Iterator[Identity]:
    """The provider, for as long as the block lasts. `callback` is where the product wants people back."""
    port = free_port()
    issuer = f"http://localhost:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_", "DJ"))}
    command = [sys.executable, "-m", "tests.identity", str(port), str(folder), callback]
    log = folder / "identity.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=kept, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or answers(issuer), 30, "the provider answers")
        if process.poll() is not None:
            raise AssertionError(log.read_text())
        identity = Identity(issuer, folder)
        identity.be_honest()
        yield identity
    finally:
        process.terminate()
        process.wait(10)
