"""How much of real conflicts the resolvers settle without a model, and how much of that is what people wrote.

Run ``python -m benchmarks.conflicts [--files FILE] [--hunks FILE] [--json]``. Both documents are JSON lines, packed
with gzip (``.gz``) or not, in the formats that ``benchmarks/corpus.py`` reads; without the options, the corpus next to
the project. A hunk is right when it equals the person's text, white space aside. Then the same for Mergiraf, where it
is installed, and what the gate says of people's resolutions and of seeded bad ones. With ``--json``: one document on
standard output.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if __package__ in {None, ""}:  # started by its path, not as a module
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.corpus import CORPUS, read_files, read_hunks
from benchmarks.gate_cases import GateNumbers, lines_of_report, measure_gate
from benchmarks.mergiraf import MergirafNumbers, measure_mergiraf
from benchmarks.outcomes import of_files, of_hunks
from benchmarks.shares import Json, percent, section

_LEVEL = "A + structural"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All numbers; ``mergiraf`` is None where it is not installed."""

    hunks: Json
    files: Json
    gate: GateNumbers
    mergiraf: MergirafNumbers | None


def measure(files: Path, hunks: Path) -> Measured:
    """Measure both documents."""
    rows = list(read_files(files))
    return Measured(
        hunks=section(of_hunks(read_hunks(hunks))),
        files=section(of_files(rows)),
        gate=measure_gate(rows),
        mergiraf=measure_mergiraf(rows),
    )


def document(measured: Measured) -> Json:
    """The numbers as one JSON document."""
    gate, mergiraf = measured.gate, measured.mergiraf
    return {
        "schema": 1,
        "hunks": measured.hunks,
        "files": measured.files,
        "gate": {
            "human": asdict(gate.human),
            "within_hunks": asdict(gate.within_hunks),
            "seeded": {name: asdict(caught) for name, caught in gate.seeded.items()},
        },
        "mergiraf": None if mergiraf is None else asdict(mergiraf),
    }


def _shown(numbers: Json, title: str) -> list[str]:
    times = numbers["milliseconds_per_case"] or {}
    return [
        f"\n{title}: {numbers['hunks']} hunks, {numbers['files']['count']} whole files",
        *(f"  left out: {count} x {what}" for what, count in numbers["left_out"].items()),
        *(f"  FAILED: {name}, {count} times" for name, count in numbers["failures"].items()),
        "  milliseconds per case: " + ", ".join(f"{name} {value}" for name, value in times.items()),
        "\n  rule                    tier        hunks  taken %  right %   and before: %  right %",
        *(_rule(rule) for rule in numbers["rules"]),
        "\n  tiers                        hunks  taken %  right %  by merge  without one repository",
        *(
            f"  {row['tiers']:<27} {row['taken']:>6} {_cell(row['share'])}  {_cell(row['right_share'])}"
            f"   {_cell(row['right_share_by_merge'])}  {_range(row['right_share_without_one_repository'])}"
            for row in numbers["tiers"]
        ),
        "\n  tiers                  whole files  taken %  all hunks right %  file equal %",
        *(
            f"  {row['tiers']:<27} {row['taken']:>6} {_cell(row['share'])}            {_cell(row['right_share'])}"
            f"       {_cell(row['equal_share'])}"
            for row in numbers["files"]["tiers"]
        ),
        *_groups(numbers["by_language"], "language"),
        *_groups(numbers["by_kind"], "kind"),
        f"\n  what people did instead ({_LEVEL})",
        *(f"  {row['count']:>5} {_cell(row['share'])} %  {row['what']}" for row in numbers["disagreements"]),
    ]


def _rule(rule: Json) -> str:
    cells = [rule[key] for key in ("share", "right_share", "cumulative_share", "cumulative_right_share")]
    own, right, before, all_right = map(_cell, cells)
    return f"  {rule['name']:<23} {rule['tier']:<10} {rule['taken']:>6}  {own}  {right}         {before}  {all_right}"


def _groups(rows: Sequence[Json], name: str) -> list[str]:
    lines = [f"\n  {name:<14}  hunks  A: taken %  right %   {_LEVEL}: taken %  right %"]
    for row in rows:
        shares = [row["tiers"][level][key] for level in ("A", _LEVEL) for key in ("share", "right_share")]
        taken, right, more, more_right = map(_cell, shares)
        lines.append(
            f"  {row['name']:<14} {row['hunks']:>6}     {taken}  {right}                  {more}  {more_right}"
        )
    return lines


def _mergiraf(numbers: MergirafNumbers | None) -> list[str]:
    if numbers is None:
        return ["\nMergiraf is not installed."]
    taken, right = percent(numbers.taken, numbers.files), percent(numbers.right, numbers.taken)
    return [
        f"\n{numbers.version} on the same content conflicts: {numbers.files} files",
        f"  taken {_cell(taken)} %   file equal {_cell(right)} %   failed on {numbers.failed}",
        f"  median {1000 * numbers.seconds:.0f} ms a file",
    ]


def _cell(share: float | None) -> str:
    return f"{'-' if share is None else f'{share:.1f}':>7}"


def _range(shares: Sequence[float] | None) -> str:
    return "-" if shares is None else f"{shares[0]:.1f} to {shares[1]:.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0, or 2 when a document cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, default=CORPUS / "files.jsonl.gz", help="whole files (JSON lines)")
    parser.add_argument("--hunks", type=Path, default=CORPUS / "hunks.jsonl.gz", help="single hunks (JSON lines)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    options = parser.parse_args(arguments)
    try:
        measured = measure(options.files, options.hunks)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"conflicts: cannot read the conflicts: {error!r}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(document(measured), indent=1))
        return 0
    lines = [*_shown(measured.hunks, "Single hunks"), *_shown(measured.files, "Whole files")]
    print("\n".join([*lines, *_mergiraf(measured.mergiraf), "\nThe gate", *lines_of_report(measured.gate)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
