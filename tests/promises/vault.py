"""What is worth stealing, where it really is: in the worker's and the gateway's environment, files and settings."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.demo.redis_server import find_redis_server
from app.demo.simulator.server import Simulator
from app.demo.stage import Stage
from tests.cluster.plane import free_port
from tests.runners.container.bench import eventually


def fill_environment(monkeypatch: pytest.MonkeyPatch, directory: Path) -> dict[str, str]:
    """Give this process what a worker, a gateway and a careless operator would have in their environments and files."""
    names = ("database password", "Redis password of a file", "proxy password", "operator's token", "webhook secret")
    found = {name: secrets.token_urlsafe(30) for name in names}
    found["model key of the environment"] = f"sk-ant-api03-{secrets.token_urlsafe(60)}"
    files = {
        "database_url": f"postgresql+psycopg://flowforge:{found['database password']}@db.internal/flowforge",
        "redis_url": f"rediss://:{found['Redis password of a file']}@redis.internal/0",
        "anthropic_api_key": found["model key of the environment"],
        "github_webhook_secrets": found["webhook secret"],
    }
    directory.mkdir(mode=0o700)
    for name, value in files.items():
        (directory / name).write_text(value)
        monkeypatch.setenv(f"FLOWFORGE_{name.upper()}", value)
    monkeypatch.setenv("FLOWFORGE_SECRETS_DIR", str(directory))
    monkeypatch.setenv("ANTHROPIC_API_KEY", found["model key of the environment"])
    monkeypatch.setenv("HTTPS_PROXY", f"http://flowforge:{found['proxy password']}@127.0.0.1:9")
    monkeypatch.setenv("GITHUB_TOKEN", found["operator's token"])
    return found


def of_the_stage(stage: Stage) -> dict[str, str]:
    """The secrets with which the service itself is at work."""
    settings, model = stage.instance.settings, stage.scripted
    assert model is not None
    assert model.api_key is not None
    assert settings.github_private_key is not None
    return {
        "model key": model.api_key,
        "webhook secret in use": settings.github_webhook_secrets[0].get_secret_value(),
        "Redis password": settings.redis_url.get_secret_value().partition("@")[0].rpartition(":")[2],
        "App's private key": body_of(settings.github_private_key.get_secret_value()),
    }


def body_of(pem: str) -> str:
    """Eight lines of a key: not its armour, nor its first line, in which all keys are alike."""
    lines = [line for line in pem.splitlines() if line and not line.startswith("-")]
    return "".join(lines[1:9])


@dataclass(slots=True)
class Minted:
    """Every installation token that the forge ever gave out."""

    forge: Simulator
    tokens: dict[str, str]

    @classmethod
    def watch(cls, forge: Simulator) -> "Minted":
        """Take note from now on; the simulator forgets a token that is revoked."""
        minted = cls(forge, {})
        forge.record.listeners.append(lambda _entry: minted.look())
        return minted

    def look(self) -> None:
        for token in self.forge.site.credentials._installation_tokens:
            self.tokens.setdefault(token, f"installation token {len(self.tokens)}")

    @property
    def secrets(self) -> dict[str, str]:
        """By name; of a token, the part that no other token has."""
        return {name: re.split(r"[.]", token)[-1] for token, name in self.tokens.items()}


@contextlib.asynccontextmanager
async def guarded_redis(directory: Path) -> AsyncIterator[str]:
    """A Redis on a loopback port that wants a password; its URL."""
    password, port = secrets.token_urlsafe(30), free_port("127.0.0.1")
    configuration = _configured(directory, f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\n')
    process = await asyncio.create_subprocess_exec(
        str(find_redis_server()), str(configuration), stdout=asyncio.subprocess.DEVNULL
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        async with Redis.from_url(url) as redis:
            await eventually(lambda: _answers(redis), "Redis to answer")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _configured(directory: Path, words: str) -> Path:
    directory.mkdir()
    configuration = directory / "redis.conf"
    configuration.touch(mode=0o600)  # the password is in it
    configuration.write_text(f"{words}dir {directory}\n")
    return configuration


async def _answers(redis: "Redis") -> bool:
    try:
        return bool(await redis.ping())
    except (RedisError, OSError):
        return False
