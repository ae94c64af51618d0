"""What came of a clone's conflicts. Pure data, for the JSON document and for the terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.git.positions import Place
from bot.model.cases import Suggestion
from bot.model.conflicts import ConflictKind, Hunk, Side, Stage
from bot.model.resolutions import Finding, GateResult, GateVerdict, HunkAnswer, ProvenanceSpan, Tier
from bot.model.runs import NO_USAGE, Usage
from bot.resolvers.table import RESOLVERS


class Status(StrEnum):
    """How far a merge came. The values are part of the JSON contract."""

    CLEAN = "clean"
    RESOLVED = "resolved"
    PARTIAL = "partial"
    REFUSED = "refused"


class Progress(StrEnum):
    """How far a path or a hunk came. The values are part of the JSON contract."""

    RESOLVED = "resolved"
    PROPOSED = "proposed"
    OPEN = "open"


EXIT_OF_STATUS: Final[Mapping[Status, int]] = {
    Status.CLEAN: 0,
    Status.RESOLVED: 0,
    Status.PARTIAL: 2,
    Status.REFUSED: 3,
}
"""The exit codes of ``flowforge resolve``; 1 is an error."""

EXIT_OF_VERDICT: Final[Mapping[GateVerdict, int]] = {
    GateVerdict.PASS: 0,
    GateVerdict.NEEDS_PERSON: 2,
    GateVerdict.REFUSED: 3,
}
"""The exit codes of ``flowforge verify``; 1 is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkOutcome:
    """One hunk: where it stands in each side's file, and the answer to it, if there is one.

    ``provenance`` counts the lines of the answer's content; ``others`` are further candidates, best first. ``reason``
    says why it is open where it is. All texts may be untrusted.
    """

    hunk: Hunk
    ours: Place
    theirs: Place
    state: Progress
    answer: HunkAnswer | None
    provenance: tuple[ProvenanceSpan, ...]
    reason: str
    others: tuple[HunkAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathOutcome:
    """One conflicted path.

    ``blob`` is the object of the resolved file, None unless it is resolved with a content. ``by_hand`` marks what a
    person had settled before: it is left alone. ``command`` is git's for what is suggested, once the merge is begun.
    """

    path: str
    kind: ConflictKind
    stages: Mapping[Side, Stage]
    state: Progress
    hunks: tuple[HunkOutcome, ...]
    reason: str = ""
    suggestion: Suggestion | None = None
    blob: str | None = None
    by_hand: bool = False
    command: str = ""

    @property
    def could_be_asked_about(self) -> bool:
        """Whether a hunk is left that no resolver answered: what is put to a model, where there is one."""
        return any(hunk.answer is None or hunk.answer.tier is Tier.B for hunk in self.hunks)

    @property
    def resolver(self) -> tuple[str, Tier] | None:
        """The resolver that the file's content comes from; of several the one that costs most."""
        if self.by_hand:
            return Tier.PERSON.value, Tier.PERSON
        used = {(hunk.answer.resolver, hunk.answer.tier) for hunk in self.hunks if hunk.answer is not None}
        return max(used, key=_cost, default=None)


def _cost(used: tuple[str, Tier]) -> tuple[int, int]:
    names = [resolver.name for resolver in RESOLVERS]
    tiers = list(Tier)
    return (names.index(used[0]) if used[0] in names else len(names), tiers.index(used[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SideNames:
    """What the two sides are called before the person: a branch, or a commit with its subject. Untrusted text."""

    ours: str
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOutcome:
    """A merge, as far as it was resolved. ``tree`` is the merged tree when all of it is. ``notes`` are for people."""

    ours: str
    theirs: str
    names: SideNames
    merge_bases: tuple[str, ...]
    status: Status
    tree: str | None
    paths: tuple[PathOutcome, ...]
    gate: GateResult
    usage: Usage = NO_USAGE
    notes: tuple[str, ...] = ()


class Remerge(StrEnum):
    """What git says of a commit's parents. The values are part of the JSON contract."""

    CLEAN = "clean"
    CONFLICTED = "conflicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOutcome:
    """What the checks say of a merge commit."""

    commit: str
    parents: tuple[str, str]
    remerge: Remerge
    conflicts: tuple[tuple[str, ConflictKind], ...]
    gate: GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Paths: ``staged`` were written whole, ``prepared`` with markers around what is open, ``left`` not at all.

    ``then`` is git's command to go on with when nothing is open.
    """

    staged: tuple[str, ...]
    prepared: tuple[str, ...]
    left: tuple[str, ...]
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tooled:
    """One file of ``git mergetool``: its hunks, how many are settled, and what the checks have against the result."""

    hunks: int
    settled: int
    findings: tuple[Finding, ...]

    @property
    def done(self) -> bool:
        """Whether the file is wholly resolved, and written so."""
        return self.settled == self.hunks and not self.findings
