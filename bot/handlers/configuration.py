"""Which configuration a repository has now, and which one a job runs with."""

from dataclasses import dataclass

from bot.config import config_version
from bot.config_keys import CONFIG_PATH, RepositoryConfig
from bot.config_layers import Effective, kept_files, kept_text, read_layers
from bot.errors import ConfigError
from bot.model.forge import ConfigFile, RepositoryRef
from bot.model.jobs import Job
from bot.ports.forge import Forge
from bot.ports.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """The configuration at a branch's tip; ``effective`` is None when ``error`` says what is wrong with it.

    ``shared`` says whether an organisation or a group has a file for the repository that we may read.
    """

    version: str
    effective: Effective | None
    error: ConfigError | None
    shared: bool

    @property
    def config(self) -> RepositoryConfig | None:
        """What holds, None when it is invalid."""
        return None if self.effective is None else self.effective.config


async def load_config(
    repository: RepositoryRef,
    *,
    base_ref: str,
    forge: Forge,
    registry: Registry,
) -> LoadedConfig:
    """Read what binds the repository, and its file from the base branch, never from a head; keep what was read.

    No file at all is the default configuration, kept as the empty text.
    """
    files = list(await forge.shared_config(repository))
    shared = bool(files)
    own = await forge.read_file(repository, CONFIG_PATH, ref=base_ref)
    if own is not None:
        files.append(ConfigFile(path=CONFIG_PATH, data=own))
    text = kept_text(files)
    version = config_version(own if own is not None and len(files) == 1 else text.encode())
    await registry.config_version(repository, version, text)
    try:
        effective = read_layers(files)
    except ConfigError as error:
        return LoadedConfig(version=version, effective=None, error=error, shared=shared)
    return LoadedConfig(version=version, effective=effective, error=None, shared=shared)


async def job_config(job: Job, *, registry: Registry) -> RepositoryConfig:
    """The configuration that a job was accepted under, whatever the repository says by now."""
    return (await job_effective(job, registry=registry)).config


async def job_effective(job: Job, *, registry: Registry) -> Effective:
    """The same, with where it was said."""
    text = await registry.config_text(job.request.config_version)
    return read_layers(kept_files(text or ""))
