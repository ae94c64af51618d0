"""Measure the gate: what it says to resolutions that people made, and to bad ones made from them.

``python -m benchmarks.gate_cases [--files FILE] [--json]``. Each bad resolution is a good one, which the gate passes,
with one fault put in. It counts as caught when the checks that are there for this fault do not pass it; that others,
above all the parser, may stumble over it as well, does not count. A side that is dropped whole need only be shown.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.corpus import CORPUS, FileRow, case_of_file, read_files
from benchmarks.gate_faults import FAULTS, Good
from bot.config_keys import BUILTIN_PROTECTED_PATHS
from bot.merge.markers import align, splice
from bot.model.conflicts import Conflict, MarkedFile, Side
from bot.model.resolutions import Candidate, Finding, GateVerdict, HunkRationale, Resolution, SideTexts
from bot.validation.gate import CHECKS, FILE_CHECKS, run_gate
from bot.validation.paths import forbidden
from bot.validation.traced import traced

_SUBMODULE: Final = "160000"


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """How many resolutions there were and what the gate said; ``by_check`` counts files by ``check: verdict``."""

    rows: int = 0
    passed: int = 0
    needs_person: int = 0
    refused: int = 0
    by_check: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: GateVerdict, findings: Iterable[Finding]) -> None:
        """Count one resolution."""
        self.rows += 1
        self.passed += verdict is GateVerdict.PASS
        self.needs_person += verdict is GateVerdict.NEEDS_PERSON
        self.refused += verdict is GateVerdict.REFUSED
        bad = {f"{item.check}: {item.verdict}" for item in findings if item.verdict is not GateVerdict.PASS}
        for name in bad:
            self.by_check[name] = self.by_check.get(name, 0) + 1


@dataclass(slots=True, kw_only=True)
class Caught:
    """How many bad resolutions of one kind there were, how many were not passed, how many refused.

    Where a note is all that is asked for, ``caught`` counts those that were shown.
    """

    rows: int = 0
    caught: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateNumbers:
    """What was measured.

    ``human`` are all resolutions of people with a text; ``within_hunks`` those in which they changed nothing outside
    the hunks, of paths that are not protected: what an agent is asked to do. ``seeded`` is by the kind of fault.
    """

    human: Verdicts
    within_hunks: Verdicts
    seeded: Mapping[str, Caught]


def measure_gate(rows: Iterable[FileRow]) -> GateNumbers:
    """Run the gate over the people's resolutions of ``rows`` and over bad ones made from them."""
    numbers = GateNumbers(human=Verdicts(), within_hunks=Verdicts(), seeded={name: Caught() for name in FAULTS})
    for row in rows:
        if _SUBMODULE in {stage.mode for stage in row.stages.values()}:
            continue
        case = case_of_file(row)
        marked = None if case is None else case.marked
        human = candidate_of(row, marked, row.resolved)
        result = run_gate(human)
        numbers.human.add(result.verdict, result.findings)
        within = marked is None or (row.resolved is not None and align(marked, row.resolved) is not None)
        if within and forbidden(row.path, BUILTIN_PROTECTED_PATHS) is None:
            numbers.within_hunks.add(result.verdict, result.findings)
        good = None if marked is None else _good(row, marked, human, passes=result.verdict is GateVerdict.PASS)
        if good is not None:
            _spoil(good, numbers.seeded)
    return numbers


def _spoil(good: Good, seeded: Mapping[str, Caught]) -> None:
    for name, fault in FAULTS.items():
        for bad in fault.make(good):
            verdicts = _verdicts(bad, fault.checks)
            seeded[name].rows += 1
            seeded[name].caught += bool(verdicts if fault.by_note else verdicts - {GateVerdict.PASS})
            seeded[name].refused += GateVerdict.REFUSED in verdicts


def _verdicts(candidate: Candidate, names: frozenset[str]) -> set[GateVerdict]:
    """What some of the gate's checks say."""
    found = [finding for name, check in CHECKS if name in names for finding in check(candidate)]
    files = [check for name, check in FILE_CHECKS if name in names]
    found += [finding for file in traced(candidate) for check in files for finding in check(file)]
    return {finding.verdict for finding in found}


def candidate_of(row: FileRow, marked: MarkedFile | None, content: bytes | None) -> Candidate:
    """What the gate would be given if somebody resolved the row's conflict as ``content``."""
    sides = {stage.mode for side, stage in row.stages.items() if side is not Side.ANCESTOR}
    mode = row.resolved_mode if row.resolved_mode in sides else min(sides, default="100644")
    conflict = Conflict(
        path=row.path,
        kind=row.kind,
        stages=row.stages,
        merged_oid=None,
        merged_mode=mode,
        paths=(row.path,),
        messages=(),
    )
    hunks = () if marked is None else marked.hunks
    resolution = Resolution(
        path=row.path,
        kind=row.kind,
        resolver="person",
        mode=mode,
        content=content,
        hunks=tuple(HunkRationale(index=hunk.index, resolved=True, reason="A person did so.") for hunk in hunks),
    )
    return Candidate(
        conflicts=(conflict,),
        sides={row.path: SideTexts(ancestor=row.base, ours=row.ours, theirs=row.theirs)},
        marked={} if marked is None else {row.path: marked},
        resolutions=(resolution,),
        changed={row.path: content},
        modes={} if content is None else {row.path: mode},
        protected_paths=tuple(BUILTIN_PROTECTED_PATHS),
    )


def _good(row: FileRow, marked: MarkedFile, human: Candidate, *, passes: bool) -> Good | None:
    """The person's resolution, or else one side, whichever the gate passes."""
    if passes and row.resolved is not None and (texts := align(marked, row.resolved)) is not None:
        return Good(candidate=human, marked=marked, texts=texts)
    texts = tuple(hunk.ours for hunk in marked.hunks)
    ours = candidate_of(row, marked, splice(marked, texts))
    passes = run_gate(ours).verdict is GateVerdict.PASS
    return Good(candidate=ours, marked=marked, texts=texts) if passes else None


def lines_of_report(numbers: GateNumbers) -> Iterator[str]:
    """The numbers for a terminal."""
    for name, verdicts in (("all human resolutions", numbers.human), ("human, within hunks", numbers.within_hunks)):
        rows = max(verdicts.rows, 1)
        shares = (f"{100 * count / rows:.1f} %" for count in (verdicts.refused, verdicts.needs_person))
        yield "{}: {} files, refused {}, needs a person {}".format(name, verdicts.rows, *shares)
        yield from (f"    {check}: {count}" for check, count in Counter(verdicts.by_check).most_common())
    yield "seeded bad resolutions, caught (refused) of all:"
    for name, caught in numbers.seeded.items():
        share = f"{100 * caught.caught / caught.rows:.1f} %" if caught.rows else "none to judge by"
        yield f"    {name}: {caught.caught} ({caught.refused}) of {caught.rows}, {share}"


def main() -> None:
    """Measure a file in the corpus's format and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=Path, default=CORPUS / "files.jsonl.gz")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    numbers = measure_gate(read_files(arguments.files))
    if arguments.json:
        print(json.dumps(asdict(numbers), indent=1))
    else:
        print("\n".join(lines_of_report(numbers)))


if __name__ == "__main__":
    main()
