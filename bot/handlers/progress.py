"""How far a merge is: what is settled in each conflicted file and by whom, and what is open."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bot.handlers.triage import MergePlan
from bot.merge.remainder import remainder
from bot.model.cases import FileProgress, Take
from bot.model.conflicts import Conflict
from bot.model.resolutions import HunkAnswer, HunkRationale, OpenConflict, Resolution, SideTexts, Tier

MODELS: frozenset[Tier] = frozenset({Tier.DIRECT, Tier.AGENT})
"""The tiers that a model answers in."""

REGENERATE = "regenerate"
"""The resolver of a file that a command of the repository's own makes anew."""

SEVERAL = "several"
"""The resolver of a file whose hunks were settled by different ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a model was asked about a file and what it said, as kept for the record. Untrusted text."""

    prompt: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProgress:
    """A merge on its way through the resolvers.

    ``files`` are the text conflicts that nobody took, ``taken`` what people took, by path, ``made`` the generated files
    that were made anew; every other conflict is ``awaited`` or one of ``left``. ``also`` has what the commands changed
    beside the conflicts, with the versions before. ``notes`` say, by path, what stands in the way of what is open;
    untrusted where a model wrote it.
    """

    plan: MergePlan
    files: Mapping[str, FileProgress]
    taken: Mapping[str, tuple[Take, Resolution]]
    left: tuple[OpenConflict, ...]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=dict)
    made: Mapping[str, Resolution] = field(default_factory=dict)
    also: Mapping[str, tuple[Resolution, SideTexts]] = field(default_factory=dict)

    @property
    def open_files(self) -> tuple[str, ...]:
        """The text conflicts with hunks that nobody settled."""
        return tuple(path for path, file in self.files.items() if file.open)

    @property
    def settled_files(self) -> tuple[str, ...]:
        """The text conflicts of which every hunk is settled."""
        return tuple(path for path, file in self.files.items() if not file.open)

    @property
    def awaited(self) -> tuple[str, ...]:
        """The generated files in conflict that nobody took and no command made anew yet."""
        return tuple(path for path in self.plan.generated if path not in self.taken and path not in self.made)

    @property
    def undone_count(self) -> int:
        """How many conflicts are open without the generated files, which wait for all others."""
        return len(self.left) + len(self.open_files)

    @property
    def open_count(self) -> int:
        """How many conflicts are open, whoever may settle them."""
        return self.undone_count + len(self.awaited)

    def conflict(self, path: str) -> Conflict:
        """The conflict at a path."""
        return next(conflict for conflict in self.plan.merge.conflicts if conflict.path == path)

    def with_file(self, file: FileProgress, *, note: str = "") -> "MergeProgress":
        """The same with one file further on, or back; ``note`` says why."""
        path = file.case.path
        notes = {**self.notes, path: (*self.notes.get(path, ()), note)} if note else self.notes
        return replace(self, files={**self.files, path: file}, notes=notes)

    def with_notes(self, paths: Iterable[str], note: str) -> "MergeProgress":
        """The same with a sentence about some paths."""
        return replace(self, notes={**self.notes, **{path: (*self.notes.get(path, ()), note) for path in paths}})

    def with_asked(self, path: str, asked: Asked) -> "MergeProgress":
        """The same with what a model was asked about a file."""
        return replace(self, asked={**self.asked, path: asked})


def nothing_done(plan: MergePlan) -> MergeProgress:
    """A merge that nobody worked on and nobody will."""
    return MergeProgress(plan=plan, files={}, taken={}, left=plan.open)


def settle(file: FileProgress, answers: Mapping[int, HunkAnswer]) -> FileProgress:
    """The file with answers to open hunks applied; what is settled already stays."""
    settled = {**answers, **file.settled}
    left = {index: found for index, found in file.candidates.items() if index not in settled}
    return replace(file, settled=settled, candidates=left)


def reopen(file: FileProgress, *, tiers: frozenset[Tier] | None = None) -> FileProgress:
    """The file with answers of some tiers (None: of all) taken back; those of rules are candidates from then on."""
    back = {index: answer for index, answer in file.settled.items() if tiers is None or answer.tier in tiers}
    shown = {index: replace(answer, tier=Tier.B) for index, answer in back.items() if answer.tier not in MODELS}
    candidates = dict(file.candidates) | {
        index: (answer, *file.candidates.get(index, ())) for index, answer in shown.items()
    }
    kept = {index: answer for index, answer in file.settled.items() if index not in back}
    return replace(file, settled=kept, candidates=candidates)


def content_of(file: FileProgress) -> bytes:
    """The file with its settled hunks put in; with every hunk settled, the resolved file."""
    rest = remainder(file.case.marked, {index: answer.content for index, answer in file.settled.items()})
    return b"".join(rest.marked.segments)


def resolution_of(progress: MergeProgress, path: str) -> Resolution:
    """A file of which every hunk is settled, as a resolution."""
    file, conflict = progress.files[path], progress.conflict(path)
    answers = [file.settled[index] for index in sorted(file.settled)]
    return Resolution(
        path=path,
        kind=conflict.kind,
        resolver=resolver_of(file),
        mode=conflict.merged_mode or "100644",
        content=content_of(file),
        hunks=tuple(
            HunkRationale(
                index=answer.index,
                resolved=True,
                reason=answer.reason,
                confidence=answer.confidence,
                resolver=answer.resolver,
                tier=answer.tier,
            )
            for answer in answers
        ),
    )


def resolver_of(file: FileProgress) -> str:
    """Who settled a file: one name, or that it were several."""
    names = {answer.resolver for answer in file.settled.values()}
    return names.pop() if len(names) == 1 else SEVERAL
