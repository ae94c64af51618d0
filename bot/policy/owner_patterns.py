"""The patterns of CODEOWNERS: which paths does one cover?

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners#codeowners-syntax
https://docs.gitlab.com/user/project/codeowners/advanced/#pattern-matching

Matched in time proportional to the product of the lengths, whatever somebody writes.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bot.globs import match_wild


class _Wild(Enum):
    """What stands for more than itself."""

    STAR = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class _Class:
    """One character of several: ``[a-z]``, or with ``!`` or ``^`` in front any other."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def has(self, character: str) -> bool:
        """Whether it stands for a character."""
        return any(first <= character <= last for first, last in self.ranges) is not self.negated


_Token = str | _Wild | _Class
_Segment = tuple[_Token, ...]

_DEEP: Final[_Segment] = (_Wild.STAR, _Wild.STAR)
_ANY_NAME: Final[_Segment] = (_Wild.STAR,)
_LEXER: Final = re.compile(
    r"\\(?P<escaped>.)|\[(?P<negated>[!^]?)(?P<members>(?:\\.|[^\]\\])+)\]|(?P<wild>[*?])|(?P<plain>.)", re.DOTALL
)
_MEMBER: Final = re.compile(r"(?:\\(?P<escaped>.)|(?P<plain>.))(?:-(?:\\(?P<upto_escaped>.)|(?P<upto>.)))?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One pattern, taken apart: what it covers is held against ``whole``, and what is below it against ``below``."""

    whole: tuple[_Segment, ...] | None
    below: tuple[_Segment, ...] | None

    def covers(self, path: str) -> bool:
        """Whether it covers a path. Case counts."""
        names = path.split("/")
        return any(
            segments is not None and match_wild(segments, names, star=_DEEP, same=_same_name)
            for segments in (self.whole, self.below)
        )


def read_pattern(text: str, *, gitlab: bool) -> Pattern:
    """Take a pattern apart, as GitHub or GitLab reads it.

    What names a directory covers all that is in it; ``docs/*`` holds for the files in ``docs`` itself only.
    """
    body = text.strip("/")
    if not body:
        return Pattern(whole=None, below=None)
    names = body.split("/")
    anchored = text.startswith("/") or (len(names) > 1 and not gitlab)
    segments = (*(() if anchored else (_DEEP,)), *(_segment(name, classes=gitlab) for name in names))
    directory = text.endswith("/")
    return Pattern(
        whole=None if directory else segments,
        below=(*segments, _DEEP, _ANY_NAME) if directory or segments[-1] != _ANY_NAME else None,
    )


def _segment(text: str, *, classes: bool) -> _Segment:
    """The tokens of what stands between two slashes; an opening bracket that nothing closes is just a bracket."""
    tokens: list[_Token] = []
    for found in _LEXER.finditer(text):
        if found["members"] is not None and classes:
            tokens.append(_Class(_ranges(found["members"]), negated=bool(found["negated"])))
        elif found["wild"] is not None:
            tokens.append(_Wild(found["wild"]))
        else:
            tokens += found["escaped"] or found[0]
    return tuple(tokens)


def _ranges(members: str) -> tuple[tuple[str, str], ...]:
    found = []
    for member in _MEMBER.finditer(members):
        first = member["escaped"] or member["plain"]
        found.append((first, member["upto_escaped"] or member["upto"] or first))
    return tuple(found)


def _same_name(segment: _Segment, name: str) -> bool:
    return match_wild(segment, name, star=_Wild.STAR, same=_same_character)


def _same_character(token: _Token, character: str) -> bool:
    match token:
        case _Class():
            return token.has(character)
        case _Wild():
            return True
        case _:
            return token == character
