"""How much of the context is shown: from all of it to the bare hunks, and then fewer hunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.direct.asking import MAX_SURROUNDING, AskedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What a prompt shows besides the hunks. ``surrounding`` is the number of lines on each side of a hunk."""

    definitions: bool = True
    subjects: bool = True
    surrounding: int = MAX_SURROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The hunks that are asked, and in which detail."""

    files: tuple[AskedFile, ...]
    detail: Detail

    @property
    def hunks(self) -> int:
        """How many hunks are asked."""
        return sum(len(file.hunks) for file in self.files)


def scopes(files: Sequence[AskedFile]) -> Iterator[Scope]:
    """Ever smaller scopes: without definitions, then without the words of people, then less around, then fewer hunks.

    Hunks are dropped from the end, half of them each time.
    """
    whole = Scope(files=tuple(files), detail=Detail())
    yield whole
    for detail in (
        Detail(definitions=False),
        Detail(definitions=False, subjects=False),
        Detail(definitions=False, subjects=False, surrounding=6),
        Detail(definitions=False, subjects=False, surrounding=2),
    ):
        yield replace(whole, detail=detail)
    count = whole.hunks // 2
    while count > 0:
        yield Scope(files=_first(files, count), detail=detail)
        count //= 2


def _first(files: Sequence[AskedFile], count: int) -> tuple[AskedFile, ...]:
    kept = []
    for file in files:
        if count > 0:
            kept.append(replace(file, hunks=file.hunks[:count]))
            count -= len(file.hunks)
    return tuple(kept)
