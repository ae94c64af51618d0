"""The numbers of ``benchmarks.conflicts`` as tables for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.mergiraf import MergirafNumbers
from benchmarks.shares import Json, percent

_LEVEL: Final = "A + structural"
_WORTH_A_LINE: Final = 0.2
"""Points by which a share has to differ before the numbers with people's conflicts in them are shown too."""


def section_lines(numbers: Json, title: str) -> Iterator[str]:
    """Everything about one document."""
    times = numbers["milliseconds_per_case"] or {}
    yield f"\n{title}: {numbers['hunks']} hunks, {numbers['files']['count']} whole files"
    yield from (f"  left out: {count} x {what}" for what, count in numbers["left_out"].items())
    yield from (f"  FAILED: {name}, {count} times" for name, count in numbers["failures"].items())
    yield "  milliseconds per case: " + ", ".join(f"{name} {value:.2f}" for name, value in times.items())
    yield from _rules(numbers["rules"])
    yield "\n  tiers                        hunks  taken %  right %  by merge  without one repository"
    for row in numbers["tiers"]:
        yield (
            f"  {row['tiers']:<27} {row['taken']:>6} {_cell(row['share'])}  {_cell(row['right_share'])}"
            f"   {_cell(row['right_share_by_merge'])}  {_range(row['right_share_without_one_repository'])}"
        )
        yield from _with_people(row)
    yield "\n  tiers                  whole files  taken %  all hunks right %  file equal %"
    for row in numbers["files"]["tiers"]:
        yield (
            f"  {row['tiers']:<27} {row['taken']:>6} {_cell(row['share'])}            {_cell(row['right_share'])}"
            f"       {_cell(row['equal_share'])}"
        )
        yield from _with_people(row)
    yield from _groups(numbers["by_language"], "language")
    yield from _groups(numbers["by_kind"], "kind")
    yield f"\n  what people did instead ({_LEVEL})"
    yield from (f"  {row['count']:>5} {_cell(row['share'])} %  {row['what']}" for row in numbers["disagreements"])
    if numbers["routes"] is not None:
        yield from _routes(numbers["routes"])


def _rules(rules: Sequence[Json]) -> Iterator[str]:
    yield (
        "\n  rule (first to answer)         tier        hunks  taken %  right %   and before: %  right %"
        "   files, part in  taken %  right %   alone  taken %  right %   median ms"
    )
    for rule in rules:
        cells = [rule[key] for key in ("share", "right_share", "cumulative_share", "cumulative_right_share")]
        own, right, before, all_right = map(_cell, cells)
        part, alone = (
            f"{found['taken']:>6}  {_cell(found['share'])}  {_cell(found['right_share'])}"
            for found in (rule["files"]["part"], rule["files"]["alone"])
        )
        median = "-" if rule["milliseconds"] is None else f"{rule['milliseconds']['median']:.3f}"
        yield (
            f"  {rule['name']:<30} {rule['tier']:<10} {rule['taken']:>6}  {own}  {right}         {before}  {all_right}"
            f"           {part}  {alone}  {median:>10}"
        )
    yield "  the time of a rule with several ways is that of all of them; see --json for each rule by language and kind"


def _with_people(row: Json) -> Iterator[str]:
    other = row["with_people"]
    pairs = [(row[key], other[key]) for key in ("share", "right_share")]
    if any((old is None) != (new is None) or abs((old or 0) - (new or 0)) > _WORTH_A_LINE for old, new in pairs):
        words = "and with what people decide"
        yield f"  {words:<27} {other['taken']:>6} {_cell(other['share'])}  {_cell(other['right_share'])} right"


def _groups(rows: Sequence[Json], name: str) -> Iterator[str]:
    yield f"\n  {name:<14}  hunks  A: taken %  right %   {_LEVEL}: taken %  right %"
    for row in rows:
        shares = [row["tiers"][level][key] for level in ("A", _LEVEL) for key in ("share", "right_share")]
        taken, right, more, more_right = map(_cell, shares)
        yield f"  {row['name']:<14} {row['hunks']:>6}     {taken}  {right}                  {more}  {more_right}"


def _routes(routes: Json) -> Iterator[str]:
    yield f"\n  who has to see to a conflict: {routes['conflicts']} paths of every kind, each as a merge of its own"
    for row in routes["routes"]:
        yield f"  {row['name']:<15} {row['count']:>5} {_cell(row['share'])} %"
        yield from (f"        {count:>5} x {why}" for why, count in row["why"].items())
    sizes = routes["direct_request_bytes"]
    if sizes is not None:
        yield f"  bytes of a direct call's request: median {sizes['median']}, p95 {sizes['p95']}, most {sizes['max']}"
    yield "  model calls and bytes per conflict, agent vs direct vs rules: with --calls (starts Claude Code)"


def mergiraf_lines(numbers: MergirafNumbers | None) -> Iterator[str]:
    """Mergiraf's row."""
    if numbers is None:
        yield "\nMergiraf is not installed."
        return
    taken, right = percent(numbers.taken, numbers.files), percent(numbers.right, numbers.taken)
    yield f"\n{numbers.version} on the same content conflicts: {numbers.files} files"
    yield f"  taken {_cell(taken)} %   file equal {_cell(right)} %   failed on {numbers.failed}"
    yield f"  median {1000 * numbers.seconds:.0f} ms a file"


def _cell(share: float | None) -> str:
    return f"{'-' if share is None else f'{share:.1f}':>7}"


def _range(shares: Sequence[float] | None) -> str:
    return "-" if shares is None else f"{shares[0]:.1f} to {shares[1]:.1f}"
