"""`./run manage check_address`: what it says of a good proxy, and of each thing that may be wrong with one."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from mydevices.cli import address

NOW = datetime.now(UTC)
Changes = Callable[[ssl.SSLContext], object]


@contextmanager
def proxy(localhost_certificate: Path, change: Changes) -> Iterator[str]:
    """A server that shakes hands and says no more; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(localhost_certificate)
    context.set_ciphers(":".join(address.GOOD))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    change(context)
    with socket.create_server(("localhost", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    peer, _address = listening.accept()
                except OSError:
                    return
                with peer, suppress(OSError), context.wrap_socket(peer, server_side=True) as connection:
                    connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://localhost:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def wrong(url: str, localhost_certificate: Path, *, now: datetime = NOW) -> list[str]:
    found = list(address.look(url, now=now, authorities=str(localhost_certificate)))
    assert [finding for finding in found if finding.is_good]
    return [finding.text for finding in found if not finding.is_good]


def as_it_is(_context: ssl.SSLContext) -> None:
    pass


def with_old_versions(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1


def with_old_suites(context: ssl.SSLContext) -> None:
    context.set_ciphers("ECDHE+AESGCM:ECDHE+AES")


def test_of_a_good_one_nothing_is_wrong(localhost_certificate: Path) -> None:
    with proxy(localhost_certificate, as_it_is) as url:
        assert not wrong(url, localhost_certificate)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_found(localhost_certificate: Path) -> None:
    with proxy(localhost_certificate, with_old_versions) as url:
        found = wrong(url, localhost_certificate)
    assert found[:2] == ["TLS 1.0 is accepted. Switch it off.", "TLS 1.1 is accepted. Switch it off."]


def test_suites_without_authenticated_encryption_are_found(localhost_certificate: Path) -> None:
    with proxy(localhost_certificate, with_old_suites) as url:
        (found,) = wrong(url, localhost_certificate)
    assert "authenticated encryption" in found


def test_a_certificate_that_nobody_trusts_is_found(localhost_certificate: Path) -> None:
    with proxy(localhost_certificate, as_it_is) as url:
        found = [finding.text for finding in address.look(url, now=NOW) if not finding.is_good]
    assert found == ["The certificate is not trusted here: self-signed certificate."]


def test_a_certificate_that_ends_soon_is_found(localhost_certificate: Path) -> None:
    with proxy(localhost_certificate, as_it_is) as url:
        (found,) = wrong(url, localhost_certificate, now=NOW + timedelta(days=80))
    assert "ends in" in found


def test_the_command_says_it_line_by_line_and_ends_as_it_is(
    localhost_certificate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(localhost_certificate))
    with proxy(localhost_certificate, as_it_is) as url, override_settings(PUBLIC_URL=url):
        call_command("check_address")
    assert "TLS 1.0 is refused." in capsys.readouterr().out
    with (
        proxy(localhost_certificate, with_old_suites) as url,
        override_settings(PUBLIC_URL=url),
        pytest.raises(CommandError, match="something wrong"),
    ):
        call_command("check_address")
    with override_settings(PUBLIC_URL=url), pytest.raises(CommandError, match="cannot be reached from here"):
        call_command("check_address")
    with override_settings(PUBLIC_URL="http://localhost:8000"), pytest.raises(CommandError, match="PUBLIC_URL"):
        call_command("check_address")


def test_the_lines_for_nginx_in_the_readme_are_what_it_asks_for() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (line,) = (line for line in readme.splitlines() if line.strip().startswith("ssl_ciphers "))
    (versions,) = (line for line in readme.splitlines() if line.strip().startswith("ssl_protocols "))
    assert versions.split() == ["ssl_protocols", "TLSv1.2", "TLSv1.3;"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(line.split()[1].rstrip(";"))
    chosen = {suite["name"] for suite in context.get_ciphers()}
    context.set_ciphers(":".join(address.GOOD))
    assert chosen <= {suite["name"] for suite in context.get_ciphers()}
