"""How much longer a call takes through the gateway than straight to the model API.

Run ``.venv/bin/python -m benchmarks.gateway [calls]``. Prints the median and the 90th percentile in milliseconds, per
size of the request: time to the first byte, and to the last one. The direct and the gateway's calls take turns, so that
both see the same load of the machine.
"""

import asyncio
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import structlog

from app.demo.model.failures import Always
from app.demo.model.replies import Message, Text
from tests.app.gateway.bench import KEY, REQUEST, bench

SIZES = (5_000, 100_000, 1_000_000)
ANSWER = Message(content=(Text(text="word " * 4_000),))


async def timed(client: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str]) -> tuple[float, float]:
    """Milliseconds to the first and to the last byte of one call."""
    started = time.perf_counter()
    async with client.stream("POST", "/v1/messages", json=body, headers=headers) as answer:
        first = None
        async for _ in answer.aiter_raw():
            first = first or time.perf_counter()
    assert answer.status_code == 200  # noqa: PLR2004, S101 - a benchmark of failures would say nothing
    return ((first or started) - started) * 1000, (time.perf_counter() - started) * 1000


def shown(values: list[float]) -> str:
    """Median and 90th percentile."""
    return f"{statistics.median(values):7.2f} (p90 {statistics.quantiles(values, n=10)[8]:7.2f})"


async def main(calls: int) -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as directory:
        async with (
            bench(Path(directory), Always(ANSWER), budget_usd=1e6) as made,
            httpx.AsyncClient(base_url=made.upstream.base_url) as direct,
        ):
            for size in SIZES:
                text = {"type": "text", "text": "word " * (size // 5)}
                body = REQUEST | {"messages": [{"role": "user", "content": [text]}]}
                times: dict[str, list[tuple[float, float]]] = {"direct": [], "gateway": []}
                for _ in range(calls):
                    times["direct"].append(await timed(direct, body, {"x-api-key": KEY}))
                    times["gateway"].append(await timed(made.http, body, made.headers()))
                for name, values in times.items():
                    first, last = ([pair[place] for pair in values] for place in (0, 1))
                    print(f"{size:>9} bytes  {name:<8} first byte {shown(first)} ms   last byte {shown(last)} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
