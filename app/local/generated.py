"""Files that a tool writes: neither rules nor a model merge them."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.local.survey import TEXT_KINDS
from bot.config import parse_layer, regenerating
from bot.config_keys import CONFIG_PATH, DEFAULT_CONFIG, RepositoryConfig
from bot.errors import BadInputError, ConfigError
from bot.git.clone import LocalClone
from bot.model.conflicts import Conflict
from bot.model.text import code_span
from bot.resolvers.text import is_lock

_MAX_CONFIG: Final = 1024 * 1024
_SHORT: Final = 10

_LOCK: Final = (
    "A lock file is written by its tool and never merged. Take a side, run the tool, and stage what it wrote."
)


async def generated(clone: LocalClone, conflicts: Sequence[Conflict], *commits: str) -> Mapping[str, str]:
    """The paths that a tool writes, and why they are left to a person.

    These are lock files, and what the configuration of one of the commits has a command for.

    Raises:
        BadInputError: one of the commits has a configuration that cannot be read.
    """
    configs = [await _config(clone, commit) for commit in commits]
    paths = [conflict.path for conflict in conflicts]
    made = {path: entry for config in configs for path in paths if (entry := regenerating(config, path)) is not None}
    locks = [conflict.path for conflict in conflicts if conflict.kind in TEXT_KINDS and is_lock(conflict.path)]
    return dict.fromkeys(locks, _LOCK) | {
        path: f"This file is made by {code_span(entry.command)}. Take a side, run that, and stage what it wrote."
        for path, entry in made.items()
    }


async def _config(clone: LocalClone, commit: str) -> RepositoryConfig:
    stage = await clone.entry(commit, CONFIG_PATH)
    content = None if stage is None else await clone.read_blob(stage.oid, limit=_MAX_CONFIG)
    try:
        return DEFAULT_CONFIG if content is None else parse_layer(content).config
    except ConfigError as error:
        raise BadInputError(f"{CONFIG_PATH} of {commit[:_SHORT]} cannot be read: {error}") from error
