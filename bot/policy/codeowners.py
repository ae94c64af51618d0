"""CODEOWNERS: whose approval a path asks for, as GitHub and as GitLab read the file.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
https://docs.gitlab.com/user/project/codeowners/reference/

Pure: who is in a team is the forge's to say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bot.model.forge import ForgeKind
from bot.policy.owner_patterns import Pattern, read_pattern

LOCATIONS: Final = {
    ForgeKind.GITHUB: (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    ForgeKind.GITLAB: ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
}
"""Where each forge looks, in its order; the first file counts."""

_MAX_LINES: Final = 20_000
_BYTE_ORDER_MARK: Final = "\ufeff"
_SECTION: Final = re.compile(r"(?P<optional>\^?)\[(?P<name>[^\]]+)\](?:\[(?P<count>[0-9]{1,3})\])?(?P<rest>.*)")
_WORD: Final = re.compile(r"(?:\\.|[^\s\\])+")


class OwnerKind(StrEnum):
    """How an owner is named; ``NAME`` is a user or a group of the highest level: GitLab's names do not tell which."""

    USER = "user"
    NAME = "name"
    TEAM = "team"
    ROLE = "role"
    EMAIL = "email"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody whose approval counts. ``name`` is without the ``@``."""

    kind: OwnerKind
    name: str

    @property
    def written(self) -> str:
        """As it stands in the file."""
        return {OwnerKind.ROLE: "@@", OwnerKind.EMAIL: "", OwnerKind.OTHER: ""}.get(self.kind, "@") + self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """So many of these owners have to approve, for the sake of ``path``."""

    path: str
    owners: tuple[Owner, ...]
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    pattern: Pattern
    owners: tuple[Owner, ...]
    excluded: bool


@dataclass(slots=True, kw_only=True)
class _Section:
    optional: bool
    count: int
    defaults: tuple[Owner, ...] = ()
    lines: list[_Line] = field(default_factory=list)


class CodeOwners:
    """A file, taken apart. Lines that mean nothing are skipped, as the forges do."""

    def __init__(self, text: str, *, kind: ForgeKind) -> None:
        """Read a file in the words of its forge."""
        self._gitlab = kind is ForgeKind.GITLAB
        self._sections: dict[str, _Section] = {"": _Section(optional=False, count=1)}
        section = self._sections[""]
        for raw in text.removeprefix(_BYTE_ORDER_MARK).splitlines()[:_MAX_LINES]:
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            head = _SECTION.fullmatch(line) if self._gitlab else None
            if head is not None:
                section = self._section(head)
            else:
                self._add(section, line)

    def demands(self, path: str) -> list[Demand]:
        """What a path asks for: of each section the last line that covers it."""
        found = []
        for section in self._sections.values():
            covering = [line for line in section.lines if line.pattern.covers(path)]
            if section.optional or not covering or any(line.excluded for line in covering):
                continue
            if covering[-1].owners:
                found.append(Demand(path=path, owners=covering[-1].owners, count=section.count))
        return found

    def _section(self, head: re.Match[str]) -> _Section:
        """Sections of one name, in any spelling, are one, and the strictest of their headings counts.

        That is documented of optional ones: https://docs.gitlab.com/user/project/codeowners/reference/#optional-sections
        The owners in a heading are those of the lines below it; without any, they are those of the heading before.
        """
        optional, count = bool(head["optional"]), max(int(head["count"] or 1), 1)
        fresh = _Section(optional=optional, count=count)
        section = self._sections.setdefault(head["name"].strip().casefold(), fresh)
        section.optional = section.optional and optional
        section.count = max(section.count, count)
        section.defaults = self._owners(head["rest"]) or section.defaults
        return section

    def _add(self, section: _Section, line: str) -> None:
        first = _WORD.match(line)
        if first is None:
            return
        pattern = first[0]
        if not self._gitlab and (pattern.startswith(("!", "\\#")) or "[" in pattern):
            return  # GitHub knows neither negation, nor this escape, nor classes
        section.lines.append(
            _Line(
                pattern=read_pattern(pattern.removeprefix("!"), gitlab=self._gitlab),
                owners=self._owners(line[first.end() :], section.defaults),
                excluded=pattern.startswith("!"),
            )
        )

    def _owners(self, text: str, defaults: tuple[Owner, ...] = ()) -> tuple[Owner, ...]:
        """The owners in the rest of a line.

        On GitHub, ``#`` ends them. On GitLab nothing does: owners in what looks like a comment count, too, and words
        that name nobody are passed over. Where a line has nothing but such words, and no heading says whose it is, they
        stay: the line was meant to ask for somebody.
        https://docs.gitlab.com/user/project/codeowners/reference/
        https://docs.gitlab.com/user/project/codeowners/advanced/#malformed-owners
        """
        before_comment, _, _ = f" {text}".partition(" #")
        words = tuple(_owner(word, gitlab=self._gitlab) for word in before_comment.split())
        if not self._gitlab:
            return words
        named = (_owner(word.rstrip(",;"), gitlab=True) for word in text.split())
        return tuple(one for one in named if one.kind is not OwnerKind.OTHER) or defaults or words


def _owner(word: str, *, gitlab: bool) -> Owner:
    if word.startswith("@@"):
        return Owner(OwnerKind.ROLE, word[2:].casefold())
    if word.startswith("@") and len(word) > 1:
        alone = OwnerKind.NAME if gitlab else OwnerKind.USER
        return Owner(OwnerKind.TEAM if "/" in word else alone, word[1:])
    return Owner(OwnerKind.EMAIL if "@" in word.strip("@") else OwnerKind.OTHER, word)


def all_demands(codeowners: CodeOwners, paths: Sequence[str]) -> list[Demand]:
    """What several paths ask for; the same owners are asked for once."""
    found: dict[tuple[tuple[Owner, ...], int], Demand] = {}
    for path in paths:
        for demand in codeowners.demands(path):
            found.setdefault((demand.owners, demand.count), demand)
    return list(found.values())
