"""What one sandbox can hold of the gateway process: its connections."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr

from app.http.server import bind, url_of
from app.processes import running_gateway
from app.settings import GatewaySettings
from tests.app.crowds import hung_up_on

CROWD: Final = 300


async def test_a_crowd_from_one_address_is_hung_up_on_and_another_address_is_served(tmp_path: Path) -> None:
    listener = bind("127.0.0.1", 0)
    settings = GatewaySettings.model_validate(
        {
            "database_url": SecretStr(f"sqlite:///{tmp_path / 'x.db'}"),
            "gateway_url": url_of(listener),
            "anthropic_api_key": SecretStr("sk-ant-never-used-0123456789"),
            "anthropic_base_url": "http://127.0.0.1:9",
        }
    )
    other = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with (
        running_gateway(settings, listener),
        httpx.AsyncClient(timeout=60, transport=other, base_url=url_of(listener), trust_env=False) as neighbour,
    ):
        port = listener.getsockname()[1]
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CROWD)]
        ends = [asyncio.create_task(reader.read()) for reader, _ in crowd]
        hung_up, waiting = await hung_up_on(CROWD - 256, ends)
        answer = await neighbour.head("/")
        for _, writer in crowd:
            writer.close()
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(*ends)
    assert (len(hung_up), len(waiting)) == (CROWD - 256, 256)
    assert answer.status_code == 200
