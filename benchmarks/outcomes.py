"""What the resolvers say about conflicts whose human resolution is known, hunk by hunk and file by file."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.corpus import FileRow, HunkRow, case_of_file, case_of_hunk, human_texts, resolved_by, same
from benchmarks.routes import Routed, barred, plan_of_file, plan_of_hunk, route
from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import Hunk
from bot.model.resolutions import HunkAnswer, Tier
from bot.resolvers.chain import run_rules
from bot.resolvers.table import RESOLVERS, Outside, Resolver
from bot.resolvers.text import words

APPLIED: Final = (Tier.A, Tier.STRUCTURAL)
"""The tiers whose answers are applied and that need nothing but the file, in the order in which they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a hunk or file comes from."""

    repo: str
    merge: str
    path: str
    language: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkOutcome:
    """One hunk: what was applied, what would have been shown first, and what the person wrote."""

    origin: Origin
    hunk: Hunk
    applied: HunkAnswer | None
    shown: HunkAnswer | None
    human: bytes

    def answer(self, tiers: Sequence[Tier]) -> HunkAnswer | None:
        """What these tiers make of it."""
        if self.applied is not None:
            return self.applied if self.applied.tier in tiers else None
        return self.shown if Tier.B in tiers else None

    def is_right(self, tiers: Sequence[Tier]) -> bool:
        """Whether that is what the person wrote, white space aside."""
        answer = self.answer(tiers)
        return answer is not None and same(answer.content, self.human)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """One file: its hunks in order, None for one whose human text is unknown, and whether the whole is the person's.

    ``answers`` has the first answer to each hunk, applied or shown. ``equal`` is by the tiers that had an answer to
    every hunk; None where the whole file is not known.
    """

    origin: Origin
    hunks: tuple[HunkOutcome | None, ...]
    answers: tuple[HunkAnswer | None, ...]
    taken: frozenset[tuple[Tier, ...]]
    equal: frozenset[tuple[Tier, ...]] | None


LEVELS: Final[Mapping[str, tuple[Tier, ...]]] = {
    "A": (Tier.A,),
    "A + structural": (Tier.A, Tier.STRUCTURAL),
    "A + structural + B's best": (Tier.A, Tier.STRUCTURAL, Tier.B),
}


@dataclass(slots=True)
class Outcomes:
    """All outcomes of one document.

    ``hunks`` and ``files`` are those that rules are asked about in service; ``barred_hunks`` and ``barred_files`` what
    they would have said where a person decides whatever they say. ``left_out`` counts both those and what there is
    nothing to compare with, by reason. ``seconds`` has the time of every case's resolvers, ``rule_seconds`` that of
    each rule by name, ``failures`` the resolvers that failed. ``routes`` is there for whole files only.
    """

    hunks: list[HunkOutcome] = field(default_factory=list)
    files: list[FileOutcome] = field(default_factory=list)
    barred_hunks: list[HunkOutcome] = field(default_factory=list)
    barred_files: list[FileOutcome] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    rule_seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    routes: list[Routed] = field(default_factory=list)

    def ask(self, case: FileCase) -> FileProgress:
        """Let the resolvers answer, and note how long they took and which failed."""
        timed = tuple(_timed(resolver, self.rule_seconds) for resolver in RESOLVERS)
        started = time.perf_counter()
        progress = run_rules(case, timed)
        self.seconds.append(time.perf_counter() - started)
        self.failures.update(progress.failures)
        return progress


def _timed(resolver: Resolver, seconds: defaultdict[str, list[float]]) -> Resolver:
    """The resolver, which notes how long each answer took; one that yields its answers is drained for that."""
    rule = resolver.answer
    if isinstance(rule, Outside):
        return resolver

    def answer(case: FileCase) -> list[HunkAnswer]:
        started = time.perf_counter()
        try:
            return list(rule(case))
        finally:
            seconds[resolver.name].append(time.perf_counter() - started)

    return replace(resolver, answer=answer)


def of_files(rows: Iterable[FileRow]) -> Outcomes:
    """What becomes of whole files."""
    outcomes = Outcomes()
    for row in rows:
        case = case_of_file(row)
        plan = plan_of_file(row, case)
        why = barred(plan)
        progress = None if case is None else run_rules(case) if why else outcomes.ask(case)
        outcomes.routes.append(route(plan, progress))
        if why is not None:
            outcomes.left_out[f"left to people: {why}"] += 1
        elif progress is None or row.resolved is None:
            outcomes.left_out[f"removed by the person, or without hunks: {row.kind}"] += 1
        if progress is None or row.resolved is None:
            continue
        file = _of_file(row, progress, row.resolved)
        known = [hunk for hunk in file.hunks if hunk is not None]
        if why is not None:
            outcomes.barred_hunks += known
            outcomes.barred_files.append(file)
            continue
        outcomes.left_out["hunks next to which the person edited more"] += len(file.hunks) - len(known)
        outcomes.hunks += known
        outcomes.files.append(file)
    return outcomes


def _of_file(row: FileRow, progress: FileProgress, resolved: bytes) -> FileOutcome:
    marked = progress.case.marked
    origin = Origin(repo=row.repo, merge=row.merge, path=row.path, language=row.language, kind=row.kind)
    hunks = tuple(
        None if human is None else _outcome(origin, hunk, progress, human)
        for hunk, human in zip(marked.hunks, human_texts(marked, resolved), strict=True)
    )
    whole = {tiers: resolved_by(marked, _texts(progress, tiers)) for tiers in LEVELS.values()}
    return FileOutcome(
        origin=origin,
        hunks=hunks,
        answers=tuple(_first(progress, hunk.index) for hunk in marked.hunks),
        taken=frozenset(tiers for tiers, text in whole.items() if text is not None),
        equal=frozenset(tiers for tiers, text in whole.items() if text is not None and same(text, resolved)),
    )


def of_hunks(rows: Iterable[HunkRow]) -> Outcomes:
    """What becomes of single hunks, and of the files of which every hunk is there."""
    outcomes = Outcomes()
    files: defaultdict[tuple[str, str, str], dict[int, HunkOutcome]] = defaultdict(dict)
    counts: dict[tuple[str, str, str], int] = {}
    people: set[tuple[str, str, str]] = set()
    for row in rows:
        if row.human is None:
            outcomes.left_out["hunks next to which the person edited more"] += 1
            continue
        case = case_of_hunk(row)
        why = barred(plan_of_hunk(case))
        origin = Origin(repo=row.repo, merge=row.merge, path=row.path, language=row.language, kind=row.kind)
        progress = run_rules(case) if why else outcomes.ask(case)
        outcome = _outcome(origin, case.marked.hunks[0], progress, row.human)
        key = (row.repo, row.merge, row.path)
        files[key][row.index] = outcome
        counts[key] = row.n_hunks
        if why is None:
            outcomes.hunks.append(outcome)
        else:
            outcomes.left_out[f"left to people: {why}"] += 1
            outcomes.barred_hunks.append(outcome)
            people.add(key)
    for key, found in files.items():
        if len(found) == counts[key]:
            kept = outcomes.barred_files if key in people else outcomes.files
            kept.append(_of_hunks(tuple(found[index] for index in sorted(found))))
    return outcomes


def _of_hunks(hunks: tuple[HunkOutcome, ...]) -> FileOutcome:
    return FileOutcome(
        origin=hunks[0].origin,
        hunks=hunks,
        answers=tuple(hunk.applied or hunk.shown for hunk in hunks),
        taken=frozenset(tiers for tiers in LEVELS.values() if all(hunk.answer(tiers) for hunk in hunks)),
        equal=None,
    )


def _first(progress: FileProgress, index: int) -> HunkAnswer | None:
    shown = progress.candidates.get(index, ())
    return progress.settled.get(index) or (shown[0] if shown else None)


def _outcome(origin: Origin, hunk: Hunk, progress: FileProgress, human: bytes) -> HunkOutcome:
    shown = progress.candidates.get(hunk.index, ())
    return HunkOutcome(
        origin=origin,
        hunk=hunk,
        applied=progress.settled.get(hunk.index),
        shown=shown[0] if shown else None,
        human=human,
    )


def _texts(progress: FileProgress, tiers: Sequence[Tier]) -> dict[int, bytes]:
    texts = {index: answer.content for index, answer in progress.settled.items() if answer.tier in tiers}
    if Tier.B in tiers:
        texts |= {index: shown[0].content for index, shown in progress.candidates.items() if index not in texts}
    return texts


def disagreement(outcome: HunkOutcome, answer: HunkAnswer) -> str:
    """What the person did instead, in words."""
    hunk, human = outcome.hunk, outcome.human
    taken = "ours" if same(answer.content, hunk.ours) else "theirs" if same(answer.content, hunk.theirs) else "a mix"
    checks = (
        ("the person took ours whole", same(human, hunk.ours)),
        ("the person took theirs whole", same(human, hunk.theirs)),
        ("the person removed all of it", not human.strip()),
        ("the person went back to the ancestor", same(human, hunk.ancestor)),
        ("the person kept both, one after the other", _is_both(human, hunk)),
        ("the person has the same lines in another order", _bag(human) == _bag(answer.content)),
        ("the person left lines out", not _bag(human) - _bag(answer.content)),
        ("the person kept more lines of the sides", not _bag(human) - (_bag(hunk.ours) | _bag(hunk.theirs))),
        ("the person combined words of the sides otherwise", not _new_words(human, hunk)),
    )
    found = next((what for what, is_so in checks if is_so), "the person wrote something new")
    return f"{answer.resolver} gave {taken}; {found}"


def _is_both(human: bytes, hunk: Hunk) -> bool:
    return any(same(human, text) for text in (hunk.ours + b"\n" + hunk.theirs, hunk.theirs + b"\n" + hunk.ours))


def _bag(text: bytes) -> Counter[bytes]:
    return Counter(line.strip() for line in text.split(b"\n") if line.strip())


def _new_words(human: bytes, hunk: Hunk) -> set[bytes]:
    return set(words(human)) - {word for side in (hunk.ours, hunk.ancestor, hunk.theirs) for word in words(side)}
