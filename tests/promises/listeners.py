"""What listens outside of a sandbox, and must not hear anything."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from app.http.server import bind


@dataclass(slots=True)
class Ears(asyncio.DatagramProtocol):
    """A name server and a service, by their addresses, and what they were told."""

    host: str
    udp: int = 0
    tcp: int = 0
    heard: list[bytes] = field(default_factory=list)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:  # noqa: ARG002 - asyncio's signature
        self.heard.append(data)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        self.heard.append(b"a connection")
        writer.close()


@contextlib.asynccontextmanager
async def listening_at(host: str, *, udp: int = 0) -> AsyncIterator[Ears]:
    """Listen at an address of this machine, on a free TCP port and on a UDP port."""
    ears = Ears(host)
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind((host, udp))
    ears.udp = endpoint.getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: ears, sock=endpoint)
    listener = bind(host, 0)
    ears.tcp = listener.getsockname()[1]
    try:
        async with await asyncio.start_server(ears.connected, sock=listener):
            yield ears
    finally:
        transport.close()
