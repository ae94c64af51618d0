"""Path patterns, as they stand in the configuration: which are allowed, and what they cover."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

_Part = TypeVar("_Part")

# A segment is ``**``, or has no two stars in a row; ``.`` and ``..`` are no segments, nor is the empty text.
_SEGMENT: Final = r"(\*\*|(?!\.{1,2}(/|$))([^*/\\\x00-\x1f\x7f]|\*(?!\*))+)"
GLOB: Final = rf"^/?({_SEGMENT}(/(?!/)|$))+$"


def matches(path: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that covers ``path``, None when none does.

    The rules are those of ``.gitignore`` (https://git-scm.com/docs/gitignore#_pattern_format) without negation and
    character classes: ``*`` and ``?`` stand for characters of one name, ``**`` for any number of directories; a
    pattern without a slash inside holds at any depth; what matches a directory covers everything below it. Two things
    are stricter: a pattern for the contents of a directory covers its own name too, which might become a file, and case
    does not matter, since there are file systems where it does not.
    """
    names = path.casefold().split("/")
    return next((pattern for pattern in patterns if _covers(pattern.casefold(), names)), None)


def _covers(pattern: str, names: list[str]) -> bool:
    body = pattern.removesuffix("/")
    anchored = "/" in body
    segments = body.removeprefix("/").split("/")
    if not anchored:
        segments = ["**", *segments]
    return match_segments([*segments, "**"], names)


def match_segments(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Whether names match one for one; ``**`` stands for any number of them, ``*`` and ``?`` for characters of one."""
    return match_wild(pattern, names, star="**", same=_match_name)


def _match_name(pattern: str, name: str) -> bool:
    return match_wild(pattern, name, star="*", same=lambda one, other: one in ("?", other))


def match_wild(
    pattern: Sequence[_Part], items: Sequence[str], *, star: _Part, same: Callable[[_Part, str], bool]
) -> bool:
    """Whether the items match the parts of a pattern one for one; ``star`` is the part that stands for any number.

    The time is proportional to the product of the lengths: the last star is the only way back.
    """
    p = i = 0
    retry: tuple[int, int] | None = None
    while i < len(items):
        if p < len(pattern) and pattern[p] == star:
            retry = (p, i)
            p += 1
        elif p < len(pattern) and same(pattern[p], items[i]):
            p += 1
            i += 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            p, i = retry[0] + 1, retry[1]
        else:
            return False
    return all(part == star for part in pattern[p:])
