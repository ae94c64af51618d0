"""Everything the demo runs on, on loopback and in one directory: forge, model, Redis, database, FlowForge itself."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from app.demo.hosts import GitHubHost, Host, open_host
from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from app.demo.redis_server import embedded_redis
from app.demo.sandboxes import LOOPBACK, Place
from app.demo.simulator.server import Simulator
from app.http.server import bind, url_of
from app.processes import running, running_gateway
from app.settings import Environment, Settings
from app.store.migrate import upgrade
from app.wiring import FlowForge
from app.wiring_sandboxes import claude_path
from bot.errors import BadInputError
from bot.model.forge import ForgeKind

ANTHROPIC_URL: Final = "https://api.anthropic.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The running parts. ``scripted`` is the model's server, None when a real model answers."""

    directory: Path
    host: Host
    web_url: str
    instance: FlowForge
    scripted: ScriptedModel | None
    claude_code: str

    @property
    def forge(self) -> Simulator:
        """The simulated GitHub, for what only a GitHub has. Raises ``TypeError`` on a stage with another forge."""
        if not isinstance(self.host, GitHubHost):
            raise TypeError(f"the forge of this stage is a {self.host.kind.value}")
        return self.host.simulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where the gateway sends model calls. ``name`` is ``anthropic`` or ``scripted``."""

    name: str
    url: str
    key: str


def real_upstream() -> Upstream | None:
    """The Anthropic API, or what ``ANTHROPIC_BASE_URL`` names, when ``ANTHROPIC_API_KEY`` is set."""
    key = os.environ.get("ANTHROPIC_API_KEY", "")
    if not key:
        return None
    return Upstream(name="anthropic", url=os.environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC_URL, key=key)


def read_answers(path: Path | None) -> dict[str, str]:
    """The scripted model's answers from a JSON file, path to resolved text.

    Raises:
        BadInputError: the file is no such object.
    """
    if path is None:
        return {}
    try:
        answers = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(answers, dict) or not all(isinstance(text, str) for text in answers.values()):
        raise BadInputError(f"{path} must hold one JSON object that maps paths to resolved texts")
    return answers


@contextlib.asynccontextmanager
async def open_stage(
    directory: Path,
    *,
    script: Script | None = None,
    overrides: dict[str, object] | None = None,
    place: Place | None = None,
    database_url: str | None = None,
    forge: ForgeKind = ForgeKind.GITHUB,
) -> AsyncIterator[Stage]:
    """Start all parts in ``directory``, and stop them in the end.

    ``script`` is what the model answers; None takes the real model if there is a key, else the honest resolver.
    ``overrides`` are settings that differ from the demo's, ``place`` says where runs are executed, and ``database_url``
    names an empty database where it is not to be a SQLite file in ``directory``. ``forge`` is what is simulated.
    """
    place = place or Place()
    async with contextlib.AsyncExitStack() as stack:
        for name in ("redis", "data"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        redis_url = await stack.enter_async_context(embedded_redis(directory / "redis"))
        web, gateway = bind(LOOPBACK, 0), bind(place.gateway_host, 0)
        stack.callback(web.close)
        stack.callback(gateway.close)
        host = await stack.enter_async_context(open_host(forge, directory / "forge", web_url=url_of(web)))
        upstream = None if script is not None else real_upstream()
        scripted = None
        if upstream is None:
            key = secrets.token_urlsafe(24)
            server = ScriptedModel.serve(script or HonestResolver(), api_key=key)
            scripted = await stack.enter_async_context(server)
            upstream = Upstream(name="scripted", url=scripted.base_url, key=key)
        database_url = database_url or f"sqlite+aiosqlite:///{directory / 'flowforge.db'}"
        await upgrade(database_url)
        values: dict[str, object] = {
            "environment": Environment.DEVELOPMENT,
            "data_dir": directory / "data",
            "database_url": SecretStr(database_url),
            "redis_url": SecretStr(redis_url),
            "gateway_url": url_of(gateway),
            **host.settings(),
            "anthropic_api_key": SecretStr(upstream.key),
            "anthropic_base_url": upstream.url,
        }
        settings = Settings.model_validate({**values, **place.overrides, **(overrides or {})})
        await stack.enter_async_context(place.open(int(gateway.getsockname()[1])))
        await stack.enter_async_context(running_gateway(settings, gateway))
        instance = await stack.enter_async_context(running(settings, web=web))
        await _sealed(instance)
        yield Stage(
            directory=directory,
            host=host,
            web_url=url_of(web),
            instance=instance,
            scripted=scripted,
            claude_code=await claude_version(claude_path(settings)),
        )


async def _sealed(instance: FlowForge) -> None:
    """Wait until the sandboxes are proved to be sealed. Raises ``BadInputError`` saying why they are not."""
    if instance.isolation is None:
        return
    await instance.isolation.looked.wait()
    reason = instance.isolation.reason()
    if reason is not None:
        raise BadInputError(f"nothing is run on this machine's sandboxes: {reason}")


async def claude_version(path: Path) -> str:
    """The version Claude Code prints of itself, without its name."""
    process = await asyncio.create_subprocess_exec(
        str(path),
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.defpath, "HOME": os.devnull, "DISABLE_AUTOUPDATER": "1"},
    )
    said, _ = await process.communicate()
    return said.decode("utf-8", "replace").split(" ", 1)[0].strip()
