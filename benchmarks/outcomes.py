"""What the resolvers say about conflicts whose human resolution is known, hunk by hunk and file by file."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.corpus import FileRow, HunkRow, case_of_file, case_of_hunk, human_texts, resolved_by, same
from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import Hunk
from bot.model.resolutions import HunkAnswer, Tier
from bot.resolvers.chain import run_rules
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

    ``equal`` is by the tiers that had an answer to every hunk; empty where the whole file is not known.
    """

    origin: Origin
    hunks: tuple[HunkOutcome | None, ...]
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

    ``left_out`` counts rows that are no text conflicts, by kind, and hunks whose human text is unknown. ``seconds`` has
    the time of every file's resolvers, ``failures`` the resolvers that failed.
    """

    hunks: list[HunkOutcome] = field(default_factory=list)
    files: list[FileOutcome] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def ask(self, case: FileCase) -> FileProgress:
        """Let the resolvers answer, and note how long they took and which failed."""
        started = time.perf_counter()
        progress = run_rules(case)
        self.seconds.append(time.perf_counter() - started)
        self.failures.update(progress.failures)
        return progress


def of_files(rows: Iterable[FileRow]) -> Outcomes:
    """What becomes of whole files."""
    outcomes = Outcomes()
    for row in rows:
        case = case_of_file(row) if row.resolved is not None else None
        if case is None or row.resolved is None:
            outcomes.left_out[f"no text conflict, or none left by the person: {row.kind}"] += 1
            continue
        origin = Origin(repo=row.repo, merge=row.merge, path=row.path, language=row.language, kind=row.kind)
        progress = outcomes.ask(case)
        humans = human_texts(case.marked, row.resolved)
        hunks = tuple(
            None if human is None else _outcome(origin, hunk, progress, human)
            for hunk, human in zip(case.marked.hunks, humans, strict=True)
        )
        outcomes.left_out["hunks next to which the person edited more"] += hunks.count(None)
        outcomes.hunks += [hunk for hunk in hunks if hunk is not None]
        texts = {tiers: _texts(progress, tiers) for tiers in LEVELS.values()}
        whole = {tiers: resolved_by(case.marked, found) for tiers, found in texts.items()}
        outcomes.files.append(
            FileOutcome(
                origin=origin,
                hunks=hunks,
                taken=frozenset(tiers for tiers, text in whole.items() if text is not None),
                equal=frozenset(tiers for tiers, text in whole.items() if text and same(text, row.resolved)),
            )
        )
    return outcomes


def of_hunks(rows: Iterable[HunkRow]) -> Outcomes:
    """What becomes of single hunks, and of the files of which every hunk is there."""
    outcomes = Outcomes()
    files: defaultdict[tuple[str, str, str], dict[int, HunkOutcome]] = defaultdict(dict)
    counts: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if row.human is None:
            outcomes.left_out["hunks next to which the person edited more"] += 1
            continue
        case = case_of_hunk(row)
        origin = Origin(repo=row.repo, merge=row.merge, path=row.path, language=row.language, kind=row.kind)
        outcome = _outcome(origin, case.marked.hunks[0], outcomes.ask(case), row.human)
        outcomes.hunks.append(outcome)
        key = (row.repo, row.merge, row.path)
        files[key][row.index] = outcome
        counts[key] = row.n_hunks
    for key, found in files.items():
        if len(found) == counts[key]:
            hunks = tuple(found[index] for index in sorted(found))
            taken = (tiers for tiers in LEVELS.values() if all(hunk.answer(tiers) for hunk in hunks))
            outcomes.files.append(FileOutcome(origin=hunks[0].origin, hunks=hunks, taken=frozenset(taken), equal=None))
    return outcomes


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
