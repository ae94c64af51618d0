"""Which configuration a repository has now, and which one a job runs with."""

from dataclasses import dataclass

from bot.config import config_version, parse_config
from bot.config_keys import CONFIG_PATH, DEFAULT_CONFIG, RepositoryConfig
from bot.errors import ConfigError
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job
from bot.ports.forge import Forge
from bot.ports.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """The configuration at a branch's tip; ``config`` is None when ``error`` says what is wrong with it."""

    version: str
    config: RepositoryConfig | None
    error: ConfigError | None


async def load_config(
    repository: RepositoryRef,
    *,
    base_ref: str,
    forge: Forge,
    registry: Registry,
) -> LoadedConfig:
    """Read ``.flowforge.yml`` from the base branch, never from a head, and keep the version that was read.

    An absent file is the default configuration, kept as the empty text.
    """
    found = await forge.read_file(repository, CONFIG_PATH, ref=base_ref)
    data = found or b""
    version = config_version(data)
    await registry.config_version(repository, version, data.decode("utf-8", "replace"))
    try:
        config = DEFAULT_CONFIG if found is None else parse_config(data)
    except ConfigError as error:
        return LoadedConfig(version=version, config=None, error=error)
    return LoadedConfig(version=version, config=config, error=None)


async def job_config(job: Job, *, registry: Registry) -> RepositoryConfig:
    """The configuration that a job was accepted under, whatever the repository says by now."""
    text = await registry.config_text(job.request.config_version)
    return parse_config(text.encode()) if text else DEFAULT_CONFIG
