"""Shares, as plain values for a JSON document: how much the resolvers take, and how much of it is right."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from benchmarks.outcomes import LEVELS, HunkOutcome, Outcomes, disagreement
from bot.model.resolutions import Tier
from bot.resolvers.table import RESOLVERS, Outside

Json = dict[str, Any]

_REASONS: Final = 10


def section(outcomes: Outcomes) -> Json:
    """Everything about one document. Shares are percentages."""
    hunks = outcomes.hunks
    return {
        "hunks": len(hunks),
        "left_out": dict(sorted(outcomes.left_out.items())),
        "rules": _rules(hunks),
        "tiers": [{"tiers": name} | _share(hunks, tiers) | _spread(hunks, tiers) for name, tiers in LEVELS.items()],
        "files": _files(outcomes),
        "by_language": _groups(hunks, lambda hunk: hunk.origin.language),
        "by_kind": _groups(hunks, lambda hunk: hunk.origin.kind),
        "milliseconds_per_case": _times(outcomes.seconds),
        "failures": dict(outcomes.failures),
        "disagreements": _disagreements(hunks),
    }


def percent(part: int, whole: int) -> float | None:
    """A share in percent with one decimal, None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def _share(hunks: Sequence[HunkOutcome], tiers: Sequence[Tier]) -> Json:
    taken = [hunk for hunk in hunks if hunk.answer(tiers) is not None]
    right = sum(hunk.is_right(tiers) for hunk in taken)
    return {
        "taken": len(taken),
        "share": percent(len(taken), len(hunks)),
        "right": right,
        "right_share": percent(right, len(taken)),
    }


def _spread(hunks: Sequence[HunkOutcome], tiers: Sequence[Tier]) -> Json:
    """How far the numbers hang on single merges and repositories, since one merge may bring many hunks alike.

    ``right_share_by_merge`` counts each merge once. ``right_share_without_one_repository`` has the least and the
    largest share when the hunks of one repository are left out.
    """
    taken = [hunk for hunk in hunks if hunk.answer(tiers) is not None]
    merges = _right_by(taken, tiers, lambda hunk: (hunk.origin.repo, hunk.origin.merge))
    repos = _right_by(taken, tiers, lambda hunk: hunk.origin.repo)
    right, count = sum(sum(found) for found in repos), len(taken)
    without = [percent(right - sum(found), count - len(found)) for found in repos]
    known = [share for share in without if share is not None]
    by_merge = statistics.fmean(sum(found) / len(found) for found in merges) if merges else None
    return {
        "right_share_by_merge": None if by_merge is None else round(100 * by_merge, 1),
        "right_share_without_one_repository": [min(known), max(known)] if known else None,
    }


def _right_by(
    hunks: Iterable[HunkOutcome], tiers: Sequence[Tier], key: Callable[[HunkOutcome], object]
) -> list[list[bool]]:
    groups: defaultdict[object, list[bool]] = defaultdict(list)
    for hunk in hunks:
        groups[key(hunk)].append(hunk.is_right(tiers))
    return list(groups.values())


def _rules(hunks: Sequence[HunkOutcome]) -> list[Json]:
    """Each resolver in its place in the chain: what it is the first to answer, alone and with all before it."""
    every = LEVELS["A + structural + B's best"]
    found: defaultdict[tuple[str, Tier], list[bool]] = defaultdict(list)
    for hunk in hunks:
        answer = hunk.answer(every)
        if answer is not None:
            found[answer.resolver, answer.tier].append(hunk.is_right(every))
    table: list[Json] = []
    taken = right = 0
    for name, tier in _order(found):
        mine = found.get((name, tier), [])
        taken += len(mine)
        right += sum(mine)
        table.append(
            {
                "name": name,
                "tier": tier.value,
                "taken": len(mine),
                "share": percent(len(mine), len(hunks)),
                "right": sum(mine),
                "right_share": percent(sum(mine), len(mine)),
                "cumulative_share": percent(taken, len(hunks)),
                "cumulative_right_share": percent(right, taken),
            }
        )
    return table


def _order(found: Iterable[tuple[str, Tier]]) -> list[tuple[str, Tier]]:
    """The resolvers as the chain asks them, those that propose last; one may go by several names: ``name: way``."""
    inside = [resolver for resolver in RESOLVERS if not isinstance(resolver.answer, Outside)]
    order: list[tuple[str, Tier]] = []
    for resolver in inside:
        if resolver.tier in LEVELS["A + structural + B's best"]:
            ways = sorted(pair for pair in found if pair[0].partition(":")[0] == resolver.name)
            order += ways or [(resolver.name, resolver.tier)]
    return sorted(order, key=lambda way: way[1] is Tier.B)


def _files(outcomes: Outcomes) -> Json:
    """Whole files: ``right`` when each hunk is the person's, ``equal`` when the file is, edits elsewhere included."""
    tables = []
    for name, tiers in LEVELS.items():
        taken = [file for file in outcomes.files if tiers in file.taken]
        known = [file for file in taken if None not in file.hunks]
        right = sum(all(hunk is not None and hunk.is_right(tiers) for hunk in file.hunks) for file in known)
        whole = [tiers in file.equal for file in taken if file.equal is not None]
        tables.append(
            {
                "tiers": name,
                "taken": len(taken),
                "share": percent(len(taken), len(outcomes.files)),
                "right": right,
                "right_share": percent(right, len(known)),
                "equal": sum(whole) if whole else None,
                "equal_share": percent(sum(whole), len(whole)),
            }
        )
    return {"count": len(outcomes.files), "tiers": tables}


def _groups(hunks: Sequence[HunkOutcome], key: Callable[[HunkOutcome], str]) -> list[Json]:
    groups: defaultdict[str, list[HunkOutcome]] = defaultdict(list)
    for hunk in hunks:
        groups[key(hunk)].append(hunk)
    return [
        {"name": name, "hunks": len(found), "tiers": {level: _share(found, tiers) for level, tiers in LEVELS.items()}}
        for name, found in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def _times(seconds: Sequence[float]) -> Json | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    places = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[int(place * (len(ordered) - 1))], 2) for name, place in places.items()}


def _disagreements(hunks: Sequence[HunkOutcome]) -> list[Json]:
    """The most common ways in which an applied answer is not what the person wrote."""
    tiers = LEVELS["A + structural"]
    answers = ((hunk, hunk.answer(tiers)) for hunk in hunks if not hunk.is_right(tiers))
    counts = Counter(disagreement(hunk, answer) for hunk, answer in answers if answer is not None)
    total = counts.total()
    return [
        {"what": what, "count": count, "share": percent(count, total)} for what, count in counts.most_common(_REASONS)
    ]
