"""Shares, as plain values for a JSON document: how much the resolvers take, and how much of it is right."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from benchmarks.outcomes import LEVELS, FileOutcome, HunkOutcome, Outcomes, disagreement
from benchmarks.routes import Route, Routed
from bot.model.resolutions import Tier
from bot.resolvers.table import RESOLVERS, Outside

Json = dict[str, Any]

_REASONS: Final = 10


def section(outcomes: Outcomes) -> Json:
    """Everything about one document. Shares are percentages.

    ``with_people`` has the same shares when what is left to people, whatever rules say, is counted as well.
    """
    hunks = outcomes.hunks
    every = [*hunks, *outcomes.barred_hunks]
    return {
        "hunks": len(hunks),
        "left_out": dict(sorted(outcomes.left_out.items())),
        "rules": _rules(outcomes),
        "tiers": [
            {"tiers": name} | _share(hunks, tiers) | _spread(hunks, tiers) | {"with_people": _share(every, tiers)}
            for name, tiers in LEVELS.items()
        ],
        "files": _files(outcomes),
        "by_language": _groups(hunks, lambda hunk: hunk.origin.language),
        "by_kind": _groups(hunks, lambda hunk: hunk.origin.kind),
        "milliseconds_per_case": _times(outcomes.seconds),
        "failures": dict(outcomes.failures),
        "routes": _routes(outcomes.routes) if outcomes.routes else None,
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


def _rules(outcomes: Outcomes) -> list[Json]:
    """Each resolver in its place in the chain: what it is the first to answer, alone and with all before it.

    ``files`` are whole files, every hunk of which has an answer: those in which the resolver has ``part``, and those
    that it settles ``alone``. The time is that of the resolver with all its ways, over the cases that came to it.
    """
    hunks = outcomes.hunks
    every = LEVELS["A + structural + B's best"]
    found: defaultdict[tuple[str, Tier], list[HunkOutcome]] = defaultdict(list)
    for hunk in hunks:
        answer = hunk.answer(every)
        if answer is not None:
            found[answer.resolver, answer.tier].append(hunk)
    table: list[Json] = []
    taken = right = 0
    for name, tier in _order(found):
        mine = found.get((name, tier), [])
        own = sum(hunk.is_right(every) for hunk in mine)
        taken += len(mine)
        right += own
        table.append(
            {
                "name": name,
                "tier": tier.value,
                "taken": len(mine),
                "share": percent(len(mine), len(hunks)),
                "right": own,
                "right_share": percent(own, len(mine)),
                "cumulative_share": percent(taken, len(hunks)),
                "cumulative_right_share": percent(right, taken),
                "files": _files_of(outcomes.files, name, tier),
                "milliseconds": _times(outcomes.rule_seconds.get(name.partition(":")[0], [])),
                "by_language": _split(hunks, mine, lambda hunk: hunk.origin.language),
                "by_kind": _split(hunks, mine, lambda hunk: hunk.origin.kind),
            }
        )
    return table


def _split(every: Sequence[HunkOutcome], mine: Sequence[HunkOutcome], key: Callable[[HunkOutcome], str]) -> Json:
    """One resolver's answers by group; the share is of all hunks of that group."""
    tiers = LEVELS["A + structural + B's best"]
    sizes = Counter(key(hunk) for hunk in every)
    taken = Counter(key(hunk) for hunk in mine)
    right = Counter(key(hunk) for hunk in mine if hunk.is_right(tiers))
    return {
        name: {
            "taken": count,
            "share": percent(count, sizes[name]),
            "right": right[name],
            "right_share": percent(right[name], count),
        }
        for name, count in taken.most_common()
    }


def _files_of(files: Sequence[FileOutcome], name: str, tier: Tier) -> Json:
    tiers = LEVELS["A + structural + B's best" if tier is Tier.B else "A + structural"]
    own = (name, tier)
    whole = [(file, [answer and (answer.resolver, answer.tier) == own for answer in file.answers]) for file in files]
    taken = [(file, mine) for file, mine in whole if tiers in file.taken]
    return {
        "part": _whole([file for file, mine in taken if any(mine)], tiers, len(files)),
        "alone": _whole([file for file, mine in taken if all(mine)], tiers, len(files)),
    }


def _whole(taken: Sequence[FileOutcome], tiers: tuple[Tier, ...], count: int) -> Json:
    """Some of ``count`` files: right when each hunk is the person's; equal when the file is, edits elsewhere too."""
    known = [file for file in taken if None not in file.hunks]
    right = sum(all(hunk is not None and hunk.is_right(tiers) for hunk in file.hunks) for file in known)
    equal = [tiers in file.equal for file in taken if file.equal is not None]
    return {
        "taken": len(taken),
        "share": percent(len(taken), count),
        "right": right,
        "right_share": percent(right, len(known)),
        "equal": sum(equal) if equal else None,
        "equal_share": percent(sum(equal), len(equal)),
    }


def _routes(routes: Sequence[Routed]) -> Json:
    """Who has to see to the conflicts, and how large the direct calls are."""
    found = {one: [item for item in routes if item.route is one] for one in Route}
    sizes = [item.request_bytes for item in routes if item.request_bytes is not None]
    return {
        "conflicts": len(routes),
        "routes": [
            {
                "name": one.value,
                "count": len(items),
                "share": percent(len(items), len(routes)),
                "why": dict(Counter(item.why for item in items if item.why).most_common()),
            }
            for one, items in found.items()
        ],
        "direct_request_bytes": _places(sizes),
    }


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
    """Whole files, by the tiers that have an answer to each of their hunks."""
    every = [*outcomes.files, *outcomes.barred_files]
    tables = [
        {"tiers": name}
        | _whole([file for file in outcomes.files if tiers in file.taken], tiers, len(outcomes.files))
        | {"with_people": _whole([file for file in every if tiers in file.taken], tiers, len(every))}
        for name, tiers in LEVELS.items()
    ]
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
    return _places([1000 * value for value in seconds], digits=3)


def _places(values: Sequence[float], *, digits: int | None = None) -> Json | None:
    if not values:
        return None
    ordered = sorted(values)
    places = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[int(place * (len(ordered) - 1))], digits) for name, place in places.items()}


def _disagreements(hunks: Sequence[HunkOutcome]) -> list[Json]:
    """The most common ways in which an applied answer is not what the person wrote."""
    tiers = LEVELS["A + structural"]
    answers = ((hunk, hunk.answer(tiers)) for hunk in hunks if not hunk.is_right(tiers))
    counts = Counter(disagreement(hunk, answer) for hunk, answer in answers if answer is not None)
    total = counts.total()
    return [
        {"what": what, "count": count, "share": percent(count, total)} for what, count in counts.most_common(_REASONS)
    ]
