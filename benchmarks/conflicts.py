"""How much of real conflicts the resolvers settle without a model, and how much of that is what people wrote.

Run ``python -m benchmarks.conflicts [--files FILE] [--hunks FILE] [--only rules|gate] [--calls] [--json]``. Both
documents are JSON lines, packed with gzip (``.gz``) or not, in the formats that ``benchmarks/corpus.py`` reads. With
one of them, only that one is measured; without both, the corpus next to the project. A hunk is right when it equals the
person's text, white space aside. What the service leaves to people, whatever the rules say, is left out and counted.

Files are measured by rules, by who would have to see to them, by Mergiraf where it is installed, and by what the gate
says of people's resolutions and of seeded bad ones. ``--calls`` adds what calls and bytes cost, on conflicts of our own
making with a scripted model: see ``benchmarks/direct.py``. With ``--json``: one document on standard output.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

if __package__ in {None, ""}:  # started by its path, not as a module
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.corpus import CORPUS, read_files, read_hunks
from benchmarks.gate_cases import GateNumbers, lines_of_report, measure_gate
from benchmarks.mergiraf import MergirafNumbers, measure_mergiraf
from benchmarks.outcomes import of_files, of_hunks
from benchmarks.shares import Json, section
from benchmarks.tables import mergiraf_lines, section_lines

_EVERY = 100
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All numbers; None for what was not asked for. ``mergiraf`` is None where it is not installed as well."""

    hunks: Json | None = None
    files: Json | None = None
    gate: GateNumbers | None = None
    mergiraf: MergirafNumbers | None = None


def measure(files: Path | None, hunks: Path | None, *, only: str | None = None) -> Measured:
    """Measure the documents that are given; ``only`` may be ``rules`` or ``gate``.

    Raises:
        OSError, ValueError, KeyError, TypeError: a document cannot be read.
    """
    rows = [] if files is None else list(read_files(files))
    rules = only != "gate"
    return Measured(
        hunks=section(of_hunks(_told(read_hunks(hunks), "rules, hunks"))) if rules and hunks is not None else None,
        files=section(of_files(_told(rows, "rules, files"))) if rules and files is not None else None,
        gate=measure_gate(_told(rows, "gate, files")) if only != "rules" and files is not None else None,
        mergiraf=measure_mergiraf(_told(rows, "Mergiraf, files")) if rules and files is not None else None,
    )


def _told(rows: Iterable[_Row], what: str) -> Iterator[_Row]:
    """The rows; how many there were so far is said on standard error."""
    number = 0
    for number, row in enumerate(rows, start=1):
        if number % _EVERY == 0:
            sys.stderr.write(f"{what}: {number}\n")
        yield row
    sys.stderr.write(f"{what}: {number}, done\n")


def document(measured: Measured) -> Json:
    """The numbers as one JSON document."""
    gate, mergiraf = measured.gate, measured.mergiraf
    return {
        "schema": 1,
        "hunks": measured.hunks,
        "files": measured.files,
        "gate": None if gate is None else asdict(gate),
        "mergiraf": None if mergiraf is None else asdict(mergiraf),
    }


def lines(measured: Measured) -> Iterator[str]:
    """The numbers as tables."""
    if measured.hunks is not None:
        yield from section_lines(measured.hunks, "Single hunks")
    if measured.files is not None:
        yield from section_lines(measured.files, "Whole files")
        yield from mergiraf_lines(measured.mergiraf)
    if measured.gate is not None:
        yield "\nThe gate"
        yield from lines_of_report(measured.gate)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="whole files (JSON lines)")
    parser.add_argument("--hunks", type=Path, help="single hunks (JSON lines)")
    parser.add_argument("--only", choices=("rules", "gate"), help="leave the other one out")
    parser.add_argument("--calls", action="store_true", help="measure calls and bytes too; starts Claude Code")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0, or 2 when a document cannot be read."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.files is None and options.hunks is None:
        options.files, options.hunks = CORPUS / "files.jsonl.gz", CORPUS / "hunks.jsonl.gz"
    if options.only == "gate" and options.files is None:
        parser.error("the gate is measured on whole files: --files")
    try:
        measured = measure(options.files, options.hunks, only=options.only)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"conflicts: cannot read the conflicts: {error!r}", file=sys.stderr)
        return 2
    shown = {"calls": None, **document(measured)}
    tables = list(lines(measured))
    if options.calls:
        # It needs the test bench and Claude Code, which nobody else who measures has to have.
        from benchmarks import direct  # noqa: PLC0415

        rows = asyncio.run(direct.main())
        shown["calls"] = direct.document(rows)
        tables += ["\nModel calls and bytes, on conflicts of our own making", *direct.lines(rows)]
    print(json.dumps(shown, indent=1) if options.json else "\n".join(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
