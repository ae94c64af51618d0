"""The guest's requests: no redirect, no proxy, a cap, a few attempts, and no token in any message."""

import contextlib
import http.server
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runners.guest.task import GuestError, GuestTask
from runners.guest.transfer import fetch_workspace, upload_result
from runners.protocol import EXIT_FETCH_FAILED, EXIT_UPLOAD_FAILED, SOCKET_URL

TOKEN = "run-token-of-this-test"
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Desk:
    """A server that gives the answers it is told, in order, the last one for ever."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)

    def handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.requests.append((handler.command, handler.path, handler.headers.get("authorization"), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(handler)


def handler_of(desk: Desk) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            desk.handle(self)

        do_PUT = do_GET  # noqa: N815 - the name that http.server calls

        def address_string(self) -> str:
            return "somebody"  # over a unix socket nobody has an address

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
            """Nothing."""

    return Handler


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(desk))
    desk.url = f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield desk


def body(content: bytes, status: int = 200) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(to: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("location", to)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def cut(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def task(url: str, socket: str | None = None) -> GuestTask:
    return GuestTask(
        run_id="a1",
        work="agent",
        token=TOKEN,
        gateway_url=url,
        model="m",
        claude=Path("/nowhere"),
        directory=Path("/nowhere"),
        max_turns=1,
        budget_usd=1,
        stall_seconds=30,
        max_workspace_bytes=1000,
        max_result_bytes=1000,
        max_result_files=1,
        max_log_bytes=1000,
        socket=socket,
    )


def test_over_a_unix_socket_no_address_is_looked_up(tmp_path: Path) -> None:
    desk, path = Desk(answers=[body(b"archive"), body(b"", 204)]), str(tmp_path / "door.sock")
    with serving(socketserver.ThreadingUnixStreamServer(path, handler_of(desk))):
        assert fetch_workspace(task(SOCKET_URL, path)) == b"archive"
        upload_result(task(SOCKET_URL, path), b"result")
    assert [(method, where, said) for method, where, _, said in desk.requests] == [
        ("GET", "/runs/a1/workspace", b""),
        ("PUT", "/runs/a1/result", b"result"),
    ]


def test_a_socket_that_nobody_listens_at_is_asked_a_few_times(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="GET of the workspace: URLError") as caught:
        fetch_workspace(task(SOCKET_URL, str(tmp_path / "nothing")))
    assert caught.value.exit_code == EXIT_FETCH_FAILED


def test_both_requests(desk: Desk) -> None:
    desk.answers = [body(b"archive"), body(b"", 204)]
    assert fetch_workspace(task(desk.url)) == b"archive"
    upload_result(task(desk.url), b"result")
    assert desk.requests == [
        ("GET", "/runs/a1/workspace", f"Bearer {TOKEN}", b""),
        ("PUT", "/runs/a1/result", f"Bearer {TOKEN}", b"result"),
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413])
def test_a_refusal_is_final_and_says_its_status(desk: Desk, status: int) -> None:
    desk.answers = [body(b"", status)]
    with pytest.raises(GuestError, match=f"GET of the workspace: HTTP {status}") as fetched:
        fetch_workspace(task(desk.url))
    with pytest.raises(GuestError, match=f"PUT of the result: HTTP {status}") as uploaded:
        upload_result(task(desk.url), b"x")
    assert (fetched.value.exit_code, uploaded.value.exit_code) == (EXIT_FETCH_FAILED, EXIT_UPLOAD_FAILED)
    assert len(desk.requests) == 2
    assert TOKEN not in f"{fetched.value!r} {uploaded.value!r} {task(desk.url)!r}"


def test_no_redirect_is_followed(desk: Desk) -> None:
    desk.answers = [redirect(f"{desk.url}/elsewhere"), body(b"stolen")]
    with pytest.raises(GuestError, match="HTTP 302"):
        fetch_workspace(task(desk.url))
    assert [path for _, path, _, _ in desk.requests] == ["/runs/a1/workspace"]


def test_no_proxy_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    desk.answers = [body(b"archive")]
    assert fetch_workspace(task(desk.url)) == b"archive"


def test_a_server_that_starts_over_is_asked_again(desk: Desk) -> None:
    desk.answers = [body(b"", 503), cut, body(b"archive")]
    assert fetch_workspace(task(desk.url)) == b"archive"


def test_too_much_is_refused(desk: Desk) -> None:
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 2**20)
        except OSError:
            handler.close_connection = True

    desk.answers = [endless]
    with pytest.raises(GuestError, match="more than"):
        upload_result(task(desk.url), b"x")
