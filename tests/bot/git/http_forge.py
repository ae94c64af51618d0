"""Smart HTTP for the tests: git's own http-backend behind a small server that can also misbehave."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from bot.model.forge import GitAccess
from tests.bot.git.lab import environment

TOKEN = "ghs_TESTTOKENvalue0123456789abcdefghijKLMN"


@dataclass(slots=True)
class Behaviour:
    """What the server does instead of serving git, and what it saw."""

    status: int | None = None
    body: bytes = b""
    location: str | None = None
    hang: bool = False
    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    paths: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HttpForge:
    """A running server."""

    url: str
    behaviour: Behaviour
    authorization: str = f"Bearer {TOKEN}"

    @property
    def access(self) -> GitAccess:
        return GitAccess(url=f"{self.url}/shop.git", authorization=self.authorization)


class _Handler(http.server.BaseHTTPRequestHandler):
    behaviour: Behaviour
    root: Path

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        seen = self.behaviour
        seen.paths.append(self.path)
        seen.authorizations.append(self.headers.get("Authorization"))
        body = self._body()
        seen.asked.set()
        if seen.hang:
            seen.released.wait(timeout=30)
        elif seen.status is not None:
            self._send(seen.status, {"Location": seen.location} if seen.location else {}, seen.body)
        else:
            self._serve(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        chunks = []
        while size := int(self.rfile.readline().strip(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        cgi = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "app",
        }
        done = subprocess.run(
            ["git", "http-backend"],  # noqa: S607 - the git on PATH is the one under test too
            env=environment(self.root) | cgi,
            input=body,
            capture_output=True,
            check=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._send(int(headers.pop("Status", "200").split(" ")[0]), headers, content)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(HTTPStatus(status))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(root: Path, authorization: str = f"Bearer {TOKEN}") -> Iterator[HttpForge]:
    """Serve the repositories below ``root`` on loopback."""
    behaviour = Behaviour()
    handler = type("Handler", (_Handler,), {"behaviour": behaviour, "root": root})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield HttpForge(f"http://127.0.0.1:{server.server_port}", behaviour, authorization)
    finally:
        behaviour.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
