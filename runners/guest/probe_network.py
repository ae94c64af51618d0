"""What the probe tries on the network: addresses, name servers, and the one door that must be open."""

import contextlib
import fcntl
import http.client
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runners.guest.probe_words import Address, Found, Outcome, ProbeTargets, Trial, held, refused, succeeded
from runners.protocol import ENV_GATEWAY_URL, ENV_RUN_ID, ENV_RUN_TOKEN, ENV_SOCKET, WORKSPACE_PATH

NETWORK: Final = "network"
NAMES: Final = "names"
GATEWAY: Final = "gateway"
RUNS: Final = "runs"

_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 2.0
_GATEWAY_SECONDS: Final = 5.0
_DNS_PORT: Final = 53
_ASKED: Final = "flowforge-probe.invalid"
"""No name server has to ask another one about it: https://www.rfc-editor.org/rfc/rfc6761#section-6.4 ."""

_RESOLV_CONF: Final = Path("/etc/resolv.conf")

# Addresses set aside for documentation: nobody has them, and choosing a route to them sends nothing.
_ROUTES: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))

# ioctl numbers and flags of Linux: https://man7.org/linux/man-pages/man7/netdevice.7.html
_SIOCGIFFLAGS: Final = 0x8913
_IFF_UP: Final = 0x1
_IFREQ_BYTES: Final = 40

_VMADDR_CID_HOST: Final = 2
"""https://man7.org/linux/man-pages/man7/vsock.7.html"""

_OK: Final = 200
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500


def network_trials(targets: ProbeTargets, environ: Mapping[str, str]) -> list[Trial]:
    """Everything that goes over a network, besides the gateway's door."""
    trials = [_waiting(NETWORK, _named(address), partial(_connect, address)) for address in targets.connect]
    trials.append(_waiting(NETWORK, "the API server that the environment names", partial(_named_api_server, environ)))
    trials += [_waiting(NAMES, f"looking {host} up", partial(_look_up, host)) for host in targets.resolve]
    trials.append(_waiting(NAMES, "asking the name servers of resolv.conf", _ask_own_nameservers))
    for server in targets.nameservers:
        trials.append(_waiting(NAMES, f"asking {server} for a name", partial(_ask, server)))
        address = Address(name="a name server", host=server, port=_DNS_PORT)
        trials.append(_waiting(NETWORK, _named(address), partial(_connect, address)))
    trials.append(_waiting(NETWORK, "the host's virtual socket", _vsock))
    if targets.sealed:
        trials.append(_waiting(NETWORK, "a route off this sandbox", _route))
        trials.append(_waiting(NETWORK, "a network interface", _interface))
    return trials


def gateway_trials(targets: ProbeTargets, environ: Mapping[str, str]) -> list[Trial]:
    """What the one open door lets through. The token of a probe is worth nothing, so nothing may come of it."""
    door = _Door(environ)
    mine = WORKSPACE_PATH.format(run_id=environ.get(ENV_RUN_ID, ""))
    trials = [
        _waiting(GATEWAY, "the gateway answers", partial(door.answers, mine)),
        _waiting(GATEWAY, "the model without a grant", partial(door.gives, "/v1/models")),
        _waiting(GATEWAY, "the gateway's metrics", partial(door.gives, "/metrics")),
        _waiting(GATEWAY, "the gateway's health", partial(door.gives, "/health/ready")),
        _waiting(RUNS, "the workspace of a run without its token", partial(door.gives, mine)),
    ]
    if targets.other_run:
        other = WORKSPACE_PATH.format(run_id=targets.other_run)
        trials.append(_waiting(RUNS, "the workspace of another run", partial(door.gives, other)))
    return trials


def _waiting(kind: str, name: str, run: Callable[[], Found]) -> Trial:
    return Trial(kind, name, run, waits=True)


def _named(address: Address) -> str:
    return f"{address.name} at {address.host}:{address.port}"


def _connect(address: Address) -> Found:
    try:
        with socket.create_connection((address.host, address.port), timeout=_CONNECT_SECONDS):
            return succeeded("connected")
    except TimeoutError:
        return held("no answer")
    except OSError as error:
        return refused(error)


def _named_api_server(environ: Mapping[str, str]) -> Found:
    """Kubernetes puts its address into every pod.

    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port.isdecimal():
        return held("it names none")
    return _connect(Address(name="the API server", host=host, port=int(port)))


def _look_up(host: str) -> Found:
    # The dot keeps the resolver from trying its search list: one question, one answer.
    try:
        found = socket.getaddrinfo(f"{host.rstrip('.')}.", None)
    except (OSError, UnicodeError) as error:
        return held(str(error))
    return succeeded(f"it is {found[0][4][0]}")


def _ask_own_nameservers() -> Found:
    try:
        lines = [line.split() for line in _RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return held("there is no resolv.conf")
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    answered = [server for server in servers if _ask(server)[0] is Outcome.SUCCEEDED]
    if answered:
        return succeeded(f"{answered[0]} answered")
    return held(f"{len(servers)} name servers, none answered")


def _ask(server: str) -> Found:
    """One question to one name server over UDP; any answer at all is one too many."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_ANSWER_SECONDS)
            asking.connect((server.partition("%")[0], _DNS_PORT))
            asking.send(_question(_ASKED))
            asking.recv(512)
            return succeeded("it answered")
    except TimeoutError:
        return held("no answer")
    except OSError as error:
        return refused(error)


def _question(host: str) -> bytes:
    """A query for a host's IPv4 address: https://www.rfc-editor.org/rfc/rfc1035#section-4 ."""
    header = struct.pack("!6H", secrets.randbelow(2**16), 0x0100, 1, 0, 0, 0)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
    return header + labels + b"\0" + struct.pack("!2H", 1, 1)


def _vsock() -> Found:
    """A socket to the machine that a virtual machine runs on: no network namespace keeps it away."""
    family = getattr(socket, "AF_VSOCK", None)
    if family is None:
        return held("not on this system")
    try:
        with socket.socket(family, socket.SOCK_STREAM) as asking:
            asking.settimeout(_CONNECT_SECONDS)
            asking.connect((_VMADDR_CID_HOST, _DNS_PORT))
            return succeeded("connected")
    except TimeoutError:
        return Outcome.WEAK, "such a socket can be made, and the host does not say no"
    except OSError as error:
        return refused(error)


def _route() -> Found:
    for family, host in _ROUTES:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((host, 9))
            return succeeded(f"there is a route to {host}")
    return held("there is none")


def _interface() -> Found:
    up = [name for name in _interfaces() if name != "lo"]
    return succeeded(f"{up[0]} is up") if up else held("only the loopback interface is up")


def _interfaces() -> Iterator[str]:
    """The names of the interfaces that are up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = struct.pack(f"16s{_IFREQ_BYTES - 16}x", name.encode())
            with contextlib.suppress(OSError):
                (flags,) = struct.unpack_from("H", fcntl.ioctl(asking, _SIOCGIFFLAGS, request), 16)
                if flags & _IFF_UP:
                    yield name


class _Door:
    """Requests to the gateway with the probe's token, over its network address or its socket."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get(ENV_GATEWAY_URL, "")
        self._token = environ.get(ENV_RUN_TOKEN, "")
        self._socket = environ.get(ENV_SOCKET, "")

    def answers(self, path: str) -> Found:
        """The control: where even the gateway is out of reach, silence elsewhere proves nothing."""
        try:
            status = self._status(path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Outcome.UNCLEAR, f"the gateway cannot be reached ({type(error).__name__})"
        if _CLIENT_ERROR <= status < _SERVER_ERROR:
            return held(f"HTTP {status}")
        return Outcome.UNCLEAR, f"the gateway answered HTTP {status}"

    def gives(self, path: str) -> Found:
        """Whether something comes of a request that must be refused."""
        try:
            status = self._status(path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Outcome.UNCLEAR, f"the gateway cannot be reached ({type(error).__name__})"
        if _CLIENT_ERROR <= status < _SERVER_ERROR:
            return held(f"HTTP {status}")
        return (Outcome.SUCCEEDED if status == _OK else Outcome.UNCLEAR), f"HTTP {status}"

    def _status(self, path: str) -> int:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port
        secure = parts.scheme == "https" and not self._socket
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        with contextlib.closing(make(host, port, timeout=_GATEWAY_SECONDS)) as connection:
            if self._socket:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(_GATEWAY_SECONDS)
                connection.sock.connect(self._socket)
            connection.request("GET", parts.path.rstrip("/") + path, headers={"Authorization": f"Bearer {self._token}"})
            return connection.getresponse().status


def limit_resolver() -> None:
    """Let the C library ask each name server once, for a second.

    https://man7.org/linux/man-pages/man5/resolv.conf.5.html
    """
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
