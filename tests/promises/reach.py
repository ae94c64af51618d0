"""Try to reach what ``targets.json`` names, and print what came of it: run inside of a sandbox. Standard library only.

``tcp`` and ``udp`` are addresses, ``names`` are asked of the name service, ``paths`` are looked for, and each of
``requests`` (method, target, headers) is sent to ``door``, the path of a unix socket or an address.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

SECONDS = 1.5


def connect(address: list[Any]) -> str:
    try:
        with socket.create_connection((address[0], address[1]), timeout=SECONDS):
            return "connected"
    except OSError as error:
        return type(error).__name__


def send(address: list[Any]) -> str:
    """Ask a name server the way a program would that was told of it, with the secret as the name."""
    question = b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x04evil\x07invalid\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(SECONDS)
        try:
            udp.sendto(question, (address[0], address[1]))
            udp.recv(512)
        except OSError as error:
            return type(error).__name__
    return "answered"


def resolve(name: str) -> str:
    try:
        socket.getaddrinfo(name, 443)
    except OSError as error:
        return type(error).__name__
    return "resolved"


def look(path: str) -> str:
    try:
        Path(path).lstat()
    except OSError as error:
        return type(error).__name__
    return "there"


def request(door: Any, asked: list[Any]) -> int | str:
    """The status of the answer to bytes as they stand: no library of ours puts them in order."""
    method, target, headers = asked
    lines = [f"{method} {target} HTTP/1.1", "Host: gateway.invalid", "Connection: close", "Content-Length: 2"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    family = socket.AF_UNIX if isinstance(door, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as stream:
        stream.settimeout(10)
        try:
            stream.connect(door if isinstance(door, str) else tuple(door))
            stream.sendall("\r\n".join([*lines, "", "{}"]).encode())
            said = stream.recv(2**16)
        except OSError as error:
            return type(error).__name__
    return int(said.split(b" ", 2)[1]) if said else "nothing was said"


def main() -> None:
    targets = json.loads(Path("targets.json").read_bytes())
    found = {
        "tcp": [connect(address) for address in targets.get("tcp", ())],
        "udp": [send(address) for address in targets.get("udp", ())],
        "names": [resolve(name) for name in targets.get("names", ())],
        "paths": [look(path) for path in targets.get("paths", ())],
        "requests": [request(targets["door"], asked) for asked in targets.get("requests", ())],
        "interfaces": [name for _, name in socket.if_nameindex()],
        "variables": sorted(os.environ),
        "resolv.conf": Path("/etc/resolv.conf").read_text() if Path("/etc/resolv.conf").exists() else "",
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
