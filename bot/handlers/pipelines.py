"""The files of a project's pipeline, looked up in the trees that a change is made on and goes to."""

import asyncio
from collections.abc import Sequence
from typing import Final

from bot.model.forge import RepositoryRef
from bot.ports.git import Git
from bot.validation.pipelines import ANY, ENDINGS, MAX_BYTES, covers, included

_MAX_FILES: Final = 100
_MAX_YAML_FILES: Final = 50_000


async def pipeline_files(git: Git, repository: RepositoryRef, root: str, trees: Sequence[str]) -> tuple[str, ...]:
    """Patterns for ``bot.validation.pipelines``: the root, and what it includes in one of the trees, also by others.

    Where the pipeline has more files than people could follow, every YAML file counts.
    """
    patterns = set[str]()
    for tree in dict.fromkeys(trees):
        patterns |= await _included(git, repository, root, tree)
    return (root, *sorted(patterns))


async def _included(git: Git, repository: RepositoryRef, root: str, tree: str) -> set[str]:
    patterns, read = set[str](), set[str]()
    names = await git.names(repository, tree, endings=ENDINGS, limit=_MAX_YAML_FILES)
    waiting = [root]
    while waiting and ANY not in patterns and f"/{ANY}" not in patterns:
        path = waiting.pop()
        read.add(path)
        entry = await git.entry(repository, tree, path)
        if entry is None:
            continue
        data = await git.read_blob(repository, entry.oid, limit=MAX_BYTES) if entry.mode.startswith("100") else None
        if data is None or len(read) > _MAX_FILES or names is None:
            return {ANY}
        found = await asyncio.to_thread(included, data, project=repository.full_name)
        patterns |= found
        waiting += [name for name in names if name not in read and name not in waiting and covers(name, ("", *found))]
    return patterns
