"""A worker of the bench whose pauses between requests take no time of ours: the bench's own clock moves on instead."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from app.wiring import FlowForge, open_flowforge
from app.wiring_parts import Parts
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from tests.bot.handlers.bench import Bench


@contextlib.asynccontextmanager
async def at_its_own_pace(bench: Bench, around: Callable[[Parts], Parts] | None = None) -> AsyncIterator[FlowForge]:
    """Have the bench's work done by such a worker; ``around`` puts more around its adapters."""
    settings, clock = bench.settings, bench.clock

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    async with open_http(settings.github_api_url) as http:
        client = GitHubClient(
            http,
            base_url=settings.github_api_url,
            app_id=settings.github_app_id,
            private_key_pem=settings.github_private_key.get_secret_value(),
            clock=clock,
            sleep=sleep,
            monotonic=lambda: clock.now().timestamp(),
        )
        forge = GitHubForge(
            client,
            app_id=settings.github_app_id,
            app_slug=settings.github_app_slug,
            git_base_url=settings.github_git_url,
        )

        def with_forge(parts: Parts) -> Parts:
            paced = replace(parts, forge=forge)
            return paced if around is None else around(paced)

        before = bench.instance
        opened = open_flowforge(settings, worker="paced", clock=clock, runner=bench.runner, around=with_forge)
        async with opened as instance:
            bench.instance = instance
            yield instance
            bench.instance = before
