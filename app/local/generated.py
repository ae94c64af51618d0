"""Files that a tool writes: their conflicts are not merged, and no model is asked about them."""

from collections.abc import Mapping, Sequence
from typing import Final

from bot.config import CONFIG_PATH, DEFAULT_CONFIG, RepositoryConfig, parse_config, regenerating
from bot.errors import BadInputError, ConfigError
from bot.git.clone import LocalClone
from bot.model.cases import FileProgress
from bot.model.text import code_span
from bot.resolvers.text import is_lock

_MAX_CONFIG: Final = 1024 * 1024
_SHORT: Final = 10

_LOCK: Final = "A lock file is written by its tool, so no model is asked about it."


async def generated(clone: LocalClone, paths: Sequence[str], *commits: str) -> Mapping[str, str]:
    """The paths that the configuration of one of the commits has a command for, and why they are left to a person.

    Raises:
        BadInputError: one of the commits has a configuration that cannot be read.
    """
    configs = [await _config(clone, commit) for commit in commits]
    made = {path: entry for config in configs for path in paths if (entry := regenerating(config, path)) is not None}
    return {
        path: f"This file is made by {code_span(entry.command)}. Take a side, run that, and stage what it wrote."
        for path, entry in made.items()
    }


def is_for_models(path: str) -> bool:
    """Whether a model may be asked about the open hunks of a file."""
    return not is_lock(path)


def why_not_asked(files: Mapping[str, FileProgress]) -> Mapping[tuple[str, int], str]:
    """By path and hunk, why nobody is asked about what is open in the files that are not for models."""
    return {(path, index): _LOCK for path, file in files.items() if not is_for_models(path) for index in file.open}


async def _config(clone: LocalClone, commit: str) -> RepositoryConfig:
    stage = await clone.entry(commit, CONFIG_PATH)
    content = None if stage is None else await clone.read_blob(stage.oid, limit=_MAX_CONFIG)
    try:
        return DEFAULT_CONFIG if content is None else parse_config(content)
    except ConfigError as error:
        raise BadInputError(f"{CONFIG_PATH} of {commit[:_SHORT]} cannot be read: {error}") from error
