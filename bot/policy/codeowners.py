"""CODEOWNERS: whose approval a path asks for, as GitHub and as GitLab read the file.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
https://docs.gitlab.com/user/project/codeowners/reference/

Pure: who is in a team is the forge's to say. Patterns are matched in time proportional to the product of the lengths.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.globs import match_segments
from bot.model.forge import ForgeKind

LOCATIONS: Final = {
    ForgeKind.GITHUB: (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    ForgeKind.GITLAB: ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
}
"""Where each forge looks, in its order; the first file counts."""

_MAX_LINES: Final = 20_000
_SECTION: Final = re.compile(r"(?P<optional>\^?)\[(?P<name>[^\]]+)\](?:\[(?P<count>[0-9]{1,3})\])?(?P<rest>.*)")
_WORD: Final = re.compile(r"(?:\\.|[^\s\\])+")


class OwnerKind(StrEnum):
    """How an owner is named."""

    USER = "user"
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
    pattern: str
    owners: tuple[Owner, ...]
    excluded: bool


@dataclass(slots=True, kw_only=True)
class _Section:
    optional: bool
    count: int
    defaults: tuple[Owner, ...]
    lines: list[_Line]


class CodeOwners:
    """A file, taken apart. Lines that mean nothing are skipped, as the forges do."""

    def __init__(self, text: str, *, kind: ForgeKind) -> None:
        """Read a file in the words of its forge."""
        self._gitlab = kind is ForgeKind.GITLAB
        self._sections: dict[str, _Section] = {"": _Section(optional=False, count=1, defaults=(), lines=[])}
        section = self._sections[""]
        for raw in text.splitlines()[:_MAX_LINES]:
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
            covering = [line for line in section.lines if _covers(line.pattern, path, gitlab=self._gitlab)]
            if section.optional or not covering or any(line.excluded for line in covering):
                continue
            owners = covering[-1].owners or section.defaults
            if owners:
                found.append(Demand(path=path, owners=owners, count=section.count))
        return found

    def _section(self, head: re.Match[str]) -> _Section:
        """Sections of one name, in any spelling, are one; the first head decides about it."""
        count = max(int(head["count"] or 1), 1)
        fresh = _Section(optional=bool(head["optional"]), count=count, defaults=_owners(head["rest"]), lines=[])
        return self._sections.setdefault(head["name"].strip().casefold(), fresh)

    def _add(self, section: _Section, line: str) -> None:
        first = _WORD.match(line)
        if first is None:
            return
        pattern = first[0]
        if not self._gitlab and (pattern.startswith(("!", "\\#")) or "[" in pattern):
            return  # GitHub knows neither negation, nor this escape, nor classes
        excluded = pattern.startswith("!")
        plain = re.sub(r"\\(.)", r"\1", pattern.removeprefix("!"))
        section.lines.append(_Line(pattern=plain, owners=_owners(line[first.end() :]), excluded=excluded))


def _owners(text: str) -> tuple[Owner, ...]:
    words = []
    for word in text.split():
        if word.startswith("#"):
            break
        words.append(_owner(word))
    return tuple(words)


def _owner(word: str) -> Owner:
    if word.startswith("@@"):
        return Owner(OwnerKind.ROLE, word[2:].casefold())
    if word.startswith("@") and len(word) > 1:
        return Owner(OwnerKind.TEAM if "/" in word else OwnerKind.USER, word[1:])
    return Owner(OwnerKind.EMAIL if "@" in word else OwnerKind.OTHER, word)


def _covers(pattern: str, path: str, *, gitlab: bool) -> bool:
    """Whether a pattern covers a path. Case counts. ``docs/*`` holds for the files in ``docs`` itself only."""
    body = pattern.strip("/")
    if not body:
        return False
    segments = body.split("/")
    anchored = pattern.startswith("/") or (len(segments) > 1 and not gitlab)
    before: Sequence[str] = () if anchored else ("**",)
    names = path.split("/")
    if pattern.endswith("/"):
        return match_segments([*before, *segments, "**", "*"], names)
    if match_segments([*before, *segments], names):
        return True
    # What names a directory covers all that is in it.
    return segments[-1] != "*" and match_segments([*before, *segments, "**", "*"], names)


def all_demands(codeowners: CodeOwners, paths: Sequence[str]) -> list[Demand]:
    """What several paths ask for; the same owners are asked for once."""
    found: dict[tuple[tuple[Owner, ...], int], Demand] = {}
    for path in paths:
        for demand in codeowners.demands(path):
            found.setdefault((demand.owners, demand.count), demand)
    return list(found.values())
