"""Builds that are broken on purpose: the harness has to see through each of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.store.database import SqlStore
from app.wiring_parts import Parts
from bot.model.forge import ForgeName, GitAccess, RepositoryRef


class _Changed:
    """An adapter of which some methods are others."""

    def __init__(self, target: Any, **others: Any) -> None:
        self._target = target
        self._others = others

    def __getattr__(self, name: str) -> Any:
        return self._others.get(name) or getattr(self._target, name)


async def _nothing_found(*_args: object, **_kwargs: object) -> None:
    return None


async def _nothing_waits(*, limit: int) -> list[tuple[ForgeName, str]]:
    del limit
    return []


def _blind(parts: Parts) -> Parts:
    """Never looks whether a comment or a check run of ours is there before it makes one."""
    forge: Any = _Changed(parts.forge, find_comment=_nothing_found, find_check_run=_nothing_found)
    return replace(parts, forge=forge)


def _forgetful(parts: Parts) -> Parts:
    """Its sweep does not find deliveries that were kept and never rung for."""
    store: Any = SqlStore.__new__(SqlStore)
    store.__dict__.update(parts.store.__dict__)
    store.deliveries = _Changed(parts.store.deliveries, waiting=_nothing_waits)
    return replace(parts, store=store)


def _impatient(parts: Parts) -> Parts:
    """Pushes without looking what is there, twice for good measure: the old head goes back in between."""

    async def push(
        repository: RepositoryRef, access: GitAccess, *, ref: str, new: str | None, expected: str | None
    ) -> None:
        await parts.git.push(repository, access, ref=ref, new=new, expected=expected)
        if new is not None and expected is not None:
            await parts.git.push(repository, access, ref=ref, new=expected, expected=new)
            await parts.git.push(repository, access, ref=ref, new=new, expected=expected)

    git: Any = _Changed(parts.git, push=push)
    return replace(parts, git=git)


FLAWS: dict[str, Callable[[Parts], Parts]] = {"blind": _blind, "forgetful": _forgetful, "impatient": _impatient}
