"""The front over real sockets: what a hostile or clumsy client may do, and what it must not do to the others."""

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.cli.conftest import until
from tests.front.conftest import Server

LIMIT = 64 * 1024


@contextlib.contextmanager
def client(server: Server, timeout: float = 10.0) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    with client(server) as connection:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()


def raw(server: Server, data: bytes, *, timeout: float = 10.0) -> bytes:
    """Send bytes and read until the server closes."""
    with server.connect(timeout) as connection:
        connection.sendall(data)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def others_are_served(server: Server) -> None:
    for path in ("/mdm/test/echo", "/page", "/healthz"):
        started = time.monotonic()
        response, _ = ask(server, "GET", path)
        assert response.status == 200
        assert time.monotonic() - started < 1.0, path


@contextlib.contextmanager
def many(server: Server, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(server.connect())
            connection.sendall(data)
            connections.append(connection)
        yield connections


# --- Those who hold up others -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/mdm/test/echo", "/page"])
def test_200_connections_that_send_headers_and_stall_hold_up_nobody_and_are_sent_away(
    server: Server, path: str
) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    with many(server, 200, head) as connections:
        others_are_served(server)
        for connection in connections:
            # Read until the server closes: an answer without a close would time out here.
            assert read_all(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("path", "limit"), [("/mdm/test/echo", LIMIT), ("/page", 1024 * 1024)])
@pytest.mark.parametrize("length", [b"Content-Length: %d", b"Transfer-Encoding: chunked"])
def test_200_connections_that_announce_all_they_may_and_stall_take_no_memory_from_others(
    server: Server, path: str, limit: int, length: bytes
) -> None:
    announced = length % limit if b"%" in length else length
    head = b"PUT %b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (path.encode(), announced)
    with many(server, 200, head):
        for size in (500, LIMIT):
            for other in ("/mdm/test/echo", "/page"):
                assert ask(server, "PUT", other, b"x" * size)[0].status == 200, other
    time.sleep(0.3)


def test_bodies_that_arrive_and_are_not_finished_are_bounded_keep_no_poll_out_and_are_let_go(server: Server) -> None:
    head = b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LIMIT
    for _ in range(2):
        with many(server, 160, head + b"x" * (LIMIT - 1000)) as connections:
            assert ask(server, "PUT", "/mdm/test/echo", b"x" * 500)[0].status == 200
            answers = [connection.recv(12) for connection in connections]
        # 8 MiB of memory: the last of these 10 MiB are refused, the others have had their time.
        assert set(answers) == {b"HTTP/1.1 503", b"HTTP/1.1 408"}
        assert answers.count(b"HTTP/1.1 408") >= 120
        time.sleep(0.3)
    assert ask(server, "PUT", "/mdm/test/echo", b"x" * LIMIT)[0].status == 200


def test_200_connections_that_drip_hold_up_nobody_and_are_sent_away(server: Server) -> None:
    head = b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with many(server, 200, head) as connections:
        started = time.monotonic()
        dripping = list(connections)
        while dripping and time.monotonic() - started < 5:
            for connection in list(dripping):
                try:
                    connection.sendall(b"x")
                except OSError:
                    dripping.remove(connection)
            others_are_served(server)
            time.sleep(0.1)
        assert not dripping


def test_200_connections_that_send_half_a_head_hold_up_nobody(server: Server) -> None:
    with many(server, 200, b"PUT /mdm/test/echo HTTP/1.1\r\nHost:"):
        others_are_served(server)


def test_slow_pages_do_not_hold_up_the_device_plane(server: Server) -> None:
    with many(server, 4, b"GET /slow?1.5 HTTP/1.1\r\nHost: x\r\n\r\n"):
        time.sleep(0.2)
        started = time.monotonic()
        assert ask(server, "GET", "/mdm/test/echo")[0].status == 200
        assert time.monotonic() - started < 1.0


def test_a_full_queue_is_answered_503_at_once_and_empties_again(server: Server) -> None:
    with many(server, 6, b"GET /slow?0.5 HTTP/1.1\r\nHost: x\r\n\r\n"):
        time.sleep(0.3)
        started = time.monotonic()
        response, body = ask(server, "GET", "/page")
        assert time.monotonic() - started < 0.5
    assert response.status == 503
    assert response.headers["Retry-After"]
    assert b"busy" in body
    time.sleep(1.7)
    assert ask(server, "GET", "/page")[0].status == 200


def test_a_slow_but_steady_body_is_accepted(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\nConnection: close\r\n\r\n"
        )
        for _ in range(10):
            connection.sendall(b"x" * 1000)
            time.sleep(0.15)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b" 10000 " in answer


# --- Bodies -------------------------------------------------------------------------------------------------


def chunked(body: bytes, size: int = 8192) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [LIMIT + 1, 3 * 1024 * 1024])
def test_a_chunked_body_over_the_cap_gets_413(server: Server, size: int) -> None:
    head = b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(server, head + chunked(b"x" * size)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("size", [LIMIT + 1, 3 * 1024 * 1024])
def test_a_body_over_the_cap_gets_413(server: Server, size: int) -> None:
    response, body = ask(server, "PUT", "/mdm/test/echo", b"x" * size)
    assert response.status == 413
    assert b"too large" in body


def test_a_huge_announced_body_is_refused_before_it_is_sent(server: Server) -> None:
    answer = raw(server, b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("size", [0, 1, 8192, LIMIT])
def test_a_body_up_to_the_cap_arrives_whole(server: Server, size: int) -> None:
    response, body = ask(server, "PUT", "/mdm/test/echo", b"x" * size)
    assert response.status == 200
    assert body.split()[3] == str(size).encode()
    head = b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = raw(server, head + chunked(b"x" * size))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert f" {size} ".encode() in answer


def test_a_page_may_be_sent_a_megabyte_and_no_more(server: Server) -> None:
    response, body = ask(server, "POST", "/page", b"x" * 1024 * 1024)
    assert (response.status, body.splitlines()[-1]) == (200, b"body=1048576")
    assert ask(server, "POST", "/page", b"x" * (1024 * 1024 + 1))[0].status == 413


def test_a_body_that_is_cut_off_reaches_no_endpoint(server: Server) -> None:
    before = server.log.stat().st_size
    heads = (
        b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
        b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    )
    for head in heads:
        for _ in range(20):
            with server.connect() as connection:
                connection.sendall(head)
    others_are_served(server)
    line = b'path="/mdm/test/echo" status=400'
    until(lambda: server.log.read_bytes()[before:].count(line) >= 40, 10, "forty lines of access")
    time.sleep(0.2)  # no line comes after these
    written = server.log.read_bytes()[before:]
    assert written.count(line) == 40
    assert b"Traceback" not in written


def test_a_length_that_is_no_number_is_refused(server: Server) -> None:
    answer = raw(server, b"PUT /mdm/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_what_follows_a_refused_body_is_not_taken_for_a_request(server: Server) -> None:
    smuggled = b"GET /mdm/test/echo HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /mdm/none HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    answer = raw(server, head + smuggled)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.count(b"HTTP/1.1 ") == 1


# --- Heads --------------------------------------------------------------------------------------------------


def test_an_address_of_8_kb_and_headers_of_16_kb_pass(server: Server) -> None:
    response, body = ask(
        server, "GET", "/mdm/test/echo?message=" + "M" * 8192, headers={"Mdm-Signature": "A" * 16 * 1024}
    )
    assert response.status == 200
    assert body.split()[2] == b"8200"
    assert b"mdm-signature" in body


def test_endless_headers_are_refused(server: Server) -> None:
    with contextlib.suppress(ConnectionError):
        answer = raw(server, b"GET /mdm/test/echo HTTP/1.1\r\nHost: x\r\nX: " + b"A" * 1024 * 1024)
        assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    others_are_served(server)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_an_endpoint_is_told_the_method(server: Server, method: str) -> None:
    _, body = ask(server, method, "/mdm/test/echo", None if method == "GET" else b"abc")
    assert body.split()[0] == method.encode()


def test_a_request_to_be_repeated_is_refused_everywhere(server: Server) -> None:
    for path in ("/mdm/test/echo", "/page", "/healthz"):
        response, body = ask(server, "TRACE", path, headers={"X-Mine": "secret"})
        assert response.status == 405
        assert b"secret" not in body
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_health_is_read_and_nothing_else(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        for path in ("/healthz", "/readyz"):
            assert ask(server, method, path)[0].status == 405


def test_head_is_get_without_the_body(server: Server) -> None:
    for path in ("/mdm/test/echo", "/page", "/healthz"):
        response, body = ask(server, "HEAD", path)
        assert (response.status, body) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0


def test_options_says_what_there_is(server: Server) -> None:
    response, _ = ask(server, "OPTIONS", "/mdm/test/echo")
    assert response.status == 204
    assert "PUT" in response.headers["Allow"]


def test_a_connection_serves_many_requests(server: Server) -> None:
    with client(server) as connection:
        for number in range(50):
            connection.request("PUT", "/mdm/test/echo", b"x" * number)
            response = connection.getresponse()
            assert response.status == 200
            assert response.read().split()[3] == str(number).encode()


def test_an_empty_answer_has_a_length_of_zero(server: Server) -> None:
    response, body = ask(server, "PUT", "/mdm/test/empty", b"<plist/>")
    assert (response.status, response.headers["Content-Length"], body) == (200, "0", b"")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"quick", b"MainThread"),
        (b"x" * 4096, b"MainThread"),
        (b"x" * 4097, b"plane"),
        (b"", b"plane"),
        (b"not here", b"plane"),
        (b"bug", b"plane"),
    ],
)
def test_a_quick_answer_is_given_on_the_event_loop_and_all_others_in_a_thread(
    server: Server, body: bytes, where: bytes
) -> None:
    before = server.log.stat().st_size
    response, answer = ask(server, "PUT", "/mdm/test/quick", body)
    assert response.status == 200
    thread, length = answer.split()
    assert thread.startswith(where)
    assert int(length) == len(body)
    line = b'path="/mdm/test/quick" status=200'
    until(lambda: line in server.log.read_bytes()[before:], 10, "the line of access")  # it follows the answer
    written = server.log.read_bytes()[before:]
    assert written.count(line) == 1
    assert (b"a bug in a quick answer" in written) == (body == b"bug")


def test_a_body_of_unknown_length_is_answered_in_a_thread(server: Server) -> None:
    head = b"PUT /mdm/test/quick HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert b"plane" in raw(server, head + chunked(b"quick"))


def test_short_bodies_that_stall_are_each_sent_away_in_their_own_time(server: Server) -> None:
    head = b"PUT /mdm/test/quick HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    with server.connect() as first, server.connect() as second:
        began = time.monotonic()
        first.sendall(head)
        time.sleep(0.7)
        second.sendall(head)
        assert ask(server, "PUT", "/mdm/test/quick", b"quick")[0].status == 200
        assert read_all(first).startswith(b"HTTP/1.1 408 ")
        ended = time.monotonic() - began
        assert read_all(second).startswith(b"HTTP/1.1 408 ")
        assert 0.9 < ended < 1.6
        assert 1.6 < time.monotonic() - began < 2.5


def test_an_unknown_path_of_the_device_plane_is_404(server: Server) -> None:
    assert ask(server, "PUT", "/mdm/test/nothing", b"x")[0].status == 404
    assert ask(server, "GET", "/mdm/")[0].status == 404


# --- Pages --------------------------------------------------------------------------------------------------


def test_a_page_is_given_the_whole_request(server: Server) -> None:
    head = (
        b"POST /caf%C3%A9/a%20b?x=1&y=%20 HTTP/1.1\r\nHost: portal.example\r\nCookie: a=1\r\nCookie: b=2\r\n"
        b"Accept: text/html\r\nAccept: text/plain\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
        b"X_Forwarded_For: 6.6.6.6\r\nContent-Type: text/x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    )
    answer = raw(server, head).partition(b"\r\n\r\n")[2].decode("latin-1")
    given = dict(line.partition("=")[::2] for line in answer.splitlines())
    assert given["PATH_INFO"].encode("latin-1").decode() == "/café/a b"
    assert given["SCRIPT_NAME"] == ""
    assert given["QUERY_STRING"] == "x=1&y=%20"
    assert given["HTTP_HOST"] == "portal.example"
    assert given["HTTP_COOKIE"] == "a=1; b=2"
    assert given["HTTP_ACCEPT"] == "text/html, text/plain"
    assert given["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"
    assert given["HTTP_X_FORWARDED_PROTO"] == "https"
    assert given["REMOTE_ADDR"] == "127.0.0.1"
    assert given["SERVER_PORT"] == str(server.port)
    assert given["CONTENT_TYPE"] == "text/x"
    assert given["CONTENT_LENGTH"] == "3"
    assert given["body"] == "3"


@pytest.mark.parametrize("path", ["/mdm/test/echo", "/page"])
def test_nobody_hides_behind_the_proxy_with_characters_that_no_address_has(behind_a_proxy: Server, path: str) -> None:
    """The proxy appends to what the client sent, and of such a line the server gives us nothing at all."""
    for sent, status in ((b"6.6.6.6, 192.0.2.1", 200), (b"\xff, 192.0.2.1", 400), ("é, 192.0.2.1".encode(), 400)):
        head = b"GET %b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %b\r\nConnection: close\r\n\r\n"
        answer = raw(behind_a_proxy, head % (path.encode(), sent))
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert (b"192.0.2.1" in answer) == (status == 200)
        assert b"127.0.0.1" not in answer or path == "/page"
    # In a line of its own, which many proxies add, what it saw is there whatever the client sent.
    both = b"GET /mdm/test/echo HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \xff\r\nX-Forwarded-For: 192.0.2.1\r\n"
    assert b" 192.0.2.1 " in raw(behind_a_proxy, both + b"Connection: close\r\n\r\n")


def test_several_cookies_stay_several(server: Server) -> None:
    response, body = ask(server, "GET", "/cookies")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert body == b"two"


def test_a_streaming_page_arrives_whole_and_is_closed(server: Server) -> None:
    before = int(ask(server, "GET", "/closed")[1])
    _, body = ask(server, "GET", "/stream")
    assert body.split() == [b"%d" % number for number in range(1000)]
    assert ask(server, "GET", "/broken")[0].status == 500
    assert int(ask(server, "GET", "/closed")[1]) == before + 2


def test_not_modified_has_no_body(server: Server) -> None:
    response, body = ask(server, "GET", "/unchanged")
    assert (response.status, body) == (304, b"")


# --- What goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "status"),
    [("protocol", 400), ("missing", 404), ("forbidden", 400), ("conflict", 400), ("many", 429), ("database", 503)],
)
def test_what_an_endpoint_raises_is_translated(server: Server, raised: str, status: int) -> None:
    response, _ = ask(server, "PUT", f"/mdm/test/raise?{raised}", b"x")
    assert response.status == status
    assert ("Retry-After" in response.headers) == (status == 503)


@pytest.mark.parametrize("path", ["/mdm/test/raise?bug", "/bug"])
def test_a_bug_is_answered_500_and_written_down(server: Server, path: str) -> None:
    before = server.log.stat().st_size
    response, body = ask(server, "GET", path)
    assert response.status == 500
    assert b"bug" not in body
    until(lambda: b"RuntimeError: a bug" in server.log.read_bytes()[before:], 10, "the bug in the log")
    assert ask(server, "GET", "/mdm/test/echo")[0].status == 200


def test_the_access_log_has_one_line_a_request_without_queries_bodies_and_tokens(server: Server) -> None:
    before = server.log.stat().st_size
    ask(server, "POST", "/r/k7m2q-9xwpr?challenge=SECRET", b"BODY")
    ask(server, "GET", "/a%0Ab%22c")

    def lines_of_access() -> list[str]:
        return [line for line in server.log.read_bytes()[before:].decode().splitlines() if "mydevices.access" in line]

    until(lambda: len(lines_of_access()) >= 2, 10, "both lines of access")
    lines = lines_of_access()
    assert len(lines) == 2
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d INFO mydevices\.access ", lines[0])
    assert re.search(r'method=POST path="/r/…" status=200 bytes=\d+ ms=[\d.]+ client=127.0.0.1$', lines[0])
    assert 'path="/a…b…c"' in lines[1]


def test_health_needs_no_database_and_readiness_does(server: Server) -> None:
    assert ask(server, "GET", "/healthz")[0].status == 200
    response, body = ask(server, "GET", "/readyz")
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert b"not migrated" in body
