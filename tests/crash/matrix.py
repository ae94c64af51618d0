"""All points, each tried: what an undisturbed trial comes to, and whether every other one comes to the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.app.store.backends import Backend
from tests.crash.facts import Facts
from tests.crash.stories import Story
from tests.crash.trial import Ending, play
from tests.crash.world import Host

_TRIES: Final = 3
"""How often a point is looked for: which tasks run first is not the same every time."""

_NEVER_ARRIVED: Final = "delivery never arrived"

SOMETIMES: Final[Mapping[str, str]] = {
    "SqlLevels.later": "a look at a pull request is put off if it comes while a worker has the job, or pushes",
}
"""Names of points that come up in some trials only, and why: nothing orders what makes them with the rest."""

_ONE_IN: Final = 5
"""One of so many points may be missed without being named above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What two undisturbed trials of a story have in common: their facts, and in order the points that both reached."""

    facts: Facts
    points: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The points' names, without the numbers, in the order of their first occurrence."""
        return tuple(dict.fromkeys(point.rpartition("#")[0] for point in self.points))

    def ends(self, names: Iterable[str]) -> tuple[str, ...]:
        """The first and the last occurrence of each of some names."""
        last = {point.rpartition("#")[0]: point for point in self.points}
        return tuple(dict.fromkeys(end for name in names for end in (f"{name}#1", last[name])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What killing the service at a point came to; ``difference`` says what is missing (-) and what is too much (+).

    The outcome is ``same``, ``lost``, ``double`` or ``stuck``; or ``unreached`` if the point did not come up in any of
    the trials, all of which came to the same.
    """

    point: str
    outcome: str
    difference: tuple[str, ...] = ()
    said: str = ""


async def record(host: Host, backend: Backend, story: Story, *, other: Backend | None = None) -> Recording:
    """Play a story twice without a death: on one database, or on two, which have to come to the same.

    Raises:
        AssertionError: the two differ, or one did not come to an end; then no trial could be judged.
    """
    first, second = [await play(host, one, story) for one in (backend, other or backend)]
    for ending in (first, second):
        if ending.stuck is not None:
            raise AssertionError(f"{story.name}: {ending.stuck}\n{ending.said[-4000:]}")
    if first.facts != second.facts:
        raise AssertionError(f"{story.name} is not the same twice: {difference(first.facts, second.facts)}")
    also = set(second.reached)
    return Recording(facts=first.facts, points=tuple(point for point in first.reached if point in also))


async def attempt(
    host: Host,
    backend: Backend,
    story: Story,
    recording: Recording,
    point: str,
    *,
    flaw: str | None = None,
    rounds: int | None = None,
) -> Verdict:
    """Kill the service at one point; ``rounds`` as in ``play``."""
    for _ in range(_TRIES):
        ending = await play(host, backend, story, points=[point], flaw=flaw, rounds=rounds)
        verdict = judge(recording.facts, ending, point)
        if ending.deaths or verdict.outcome != "same":
            return verdict
    return Verdict(point=point, outcome="unreached")


def missed(verdicts: Sequence[Verdict]) -> list[str]:
    """The points that were not reached, if those are too many for chance; one alone, among many, may be.

    A trial in which nobody died proves nothing, however well it ends.
    """
    unreached = [verdict.point for verdict in verdicts if verdict.outcome == "unreached"]
    unforeseen = [point for point in unreached if point.partition("@")[0] not in SOMETIMES]
    return unforeseen if len(unforeseen) * _ONE_IN > len(verdicts) else []


async def try_points(
    host: Host, backend: Backend, story: Story, recording: Recording, points: Sequence[str]
) -> list[Verdict]:
    """Kill the service at each of several points.

    One after the other in a single trial, if there is more than one. Where that goes wrong, or a point does not come up
    any more after the deaths before it, each is tried alone.
    """
    if len(points) == 1:
        return [await attempt(host, backend, story, recording, points[0])]
    ending = await play(host, backend, story, points=points)
    together = judge(recording.facts, ending, " + ".join(ending.deaths))
    tried = ending.deaths if together.outcome == "same" else ()
    alone = [await attempt(host, backend, story, recording, point) for point in points[len(tried) :]]
    if together.outcome != "same" and all(verdict.outcome == "same" for verdict in alone):
        return [together, *alone]  # only together do they do harm
    return [*(Verdict(point=point, outcome="same") for point in tried), *alone]


def names_to_try(story: Story, recordings: Mapping[str, Recording]) -> tuple[str, ...]:
    """The names of a story's points that are tried in it; the recordings are its own and those it comes after."""
    known = {name for earlier in story.after for name in recordings[earlier].names}
    return tuple(
        name
        for name in recordings[story.name].names
        if name not in known or any(words in name for words in story.again)
    )


def spread(points: Sequence[str], *, together: int) -> list[tuple[str, ...]]:
    """Points of a story for trials of ``together`` deaths each, as far apart as they can be."""
    trials = -(-len(points) // together)
    return [tuple(points[start::trials]) for start in range(trials)]


def judge(expected: Facts, ending: Ending, point: str) -> Verdict:
    """Compare an ending with the undisturbed one."""
    found = difference(expected, ending.facts)
    lost = any(line.startswith("-") or _NEVER_ARRIVED in line for line in found)
    if ending.stuck is not None:
        outcome = "stuck"
    elif not found:
        return Verdict(point=point, outcome="same")
    else:
        outcome = "lost" if lost else "double"
    because = () if ending.stuck is None else (f"stuck: {ending.stuck}",)
    return Verdict(point=point, outcome=outcome, difference=(*because, *found), said=ending.said)


def difference(expected: Facts, found: Facts) -> tuple[str, ...]:
    """Which facts are missing, and which are too much."""
    missing = [f"- {fact}" for fact in sorted((expected - found).elements())]
    return (*missing, *(f"+ {fact}" for fact in sorted((found - expected).elements())))
