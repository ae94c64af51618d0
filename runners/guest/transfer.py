"""The guest's two requests: no redirect is followed, no proxy is asked, nothing larger than expected is read."""

import http.client
import socket
import time
import urllib.error
import urllib.request
from typing import Final

from runners.guest.task import GuestError, GuestTask
from runners.protocol import (
    EXIT_FETCH_FAILED,
    EXIT_UPLOAD_FAILED,
    RESULT_PATH,
    WORKSPACE_PATH,
    workspace_archive_cap,
)

_TIMEOUT_SECONDS: Final = 60.0
_PAUSES: Final = (0.2, 1.0, 3.0)
_SERVER_ERROR: Final = 500


def fetch_workspace(task: GuestTask) -> bytes:
    """Download the workspace archive. Raises ``GuestError``."""
    request = _request(task, WORKSPACE_PATH, method="GET", body=None)
    return _send(task, request, cap=workspace_archive_cap(task.max_workspace_bytes), exit_code=EXIT_FETCH_FAILED)


def upload_result(task: GuestTask, archive: bytes) -> None:
    """Upload the result archive. Raises ``GuestError``."""
    request = _request(task, RESULT_PATH, method="PUT", body=archive)
    request.add_header("Content-Type", "application/x-tar")
    _send(task, request, cap=2**16, exit_code=EXIT_UPLOAD_FAILED)


def _request(task: GuestTask, path: str, *, method: str, body: bytes | None) -> urllib.request.Request:
    url = task.gateway_url + path.format(run_id=task.run_id)
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - the scheme was checked with the task
    request.add_header("Authorization", f"Bearer {task.token}")
    return request


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, host: str, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _SocketHandler(urllib.request.HTTPHandler):
    """Every ``http:`` request goes to one unix socket, whatever host it names."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, *, timeout: float = _TIMEOUT_SECONDS, **_: object) -> http.client.HTTPConnection:
            return _SocketConnection(self._path, host, timeout)

        return self.do_open(connection, req)


def _opener(path: str | None) -> urllib.request.OpenerDirector:
    # build_opener() would add proxies from the environment, redirects, file: and ftp:.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler() if path is None else _SocketHandler(path),
        *(() if path is not None else (urllib.request.HTTPSHandler(),)),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _send(task: GuestTask, request: urllib.request.Request, *, cap: int, exit_code: int) -> bytes:
    """Send with a few attempts: the other side may be starting over. A refusal (below 500) is final."""
    opener = _opener(task.socket)
    what = f"{request.get_method()} of the {'workspace' if exit_code == EXIT_FETCH_FAILED else 'result'}"
    for pause in (*_PAUSES, None):
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return _read(response, cap, what, exit_code)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < _SERVER_ERROR or pause is None:
                raise GuestError(f"{what}: HTTP {error.code}", exit_code=exit_code) from None
        except (OSError, http.client.HTTPException) as error:
            if pause is None:
                raise GuestError(f"{what}: {type(error).__name__}", exit_code=exit_code) from None
        time.sleep(pause)
    raise AssertionError  # the last attempt returned or raised


def _read(response: http.client.HTTPResponse, cap: int, what: str, exit_code: int) -> bytes:
    body = response.read(cap + 1)
    if len(body) > cap:
        raise GuestError(f"{what}: more than {cap} bytes came", exit_code=exit_code)
    if response.length:  # bytes that were announced and did not come; read(n) does not mind
        raise http.client.IncompleteRead(b"", response.length)
    return body
