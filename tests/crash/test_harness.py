"""The harness sees through builds that are broken on purpose, and knows the points that matter most."""

import re
from collections import Counter

import pytest

from bot.ports.forge import Forge
from bot.ports.runner import AgentRunner
from tests.app.store.backends import SqliteBackend
from tests.crash.matrix import Recording, Verdict, attempt, judge, missed, names_to_try, record, spread
from tests.crash.stories import STORIES
from tests.crash.trial import NO_REST, Ending
from tests.crash.witness import READS_OF_FORGE, READS_OF_RUNNER
from tests.crash.world import Host

session_loop = pytest.mark.asyncio(loop_scope="session")
RULES = STORIES["rules"]
BROKEN = [
    ("blind", "forge create_comment@after#1", "double", r"\+ comment by flowforge\[bot\]"),
    ("blind", "forge create_check_run@after#1", "double", r"\+ check run on head"),
    ("forgetful", "queue ring delivery@before#4", "stuck", r"\+ delivery \w+ left new"),
    ("impatient", "git push move head@before#1", "double", r"\+ push of refs/heads/feature"),
]
"""What is wrong, where the service dies, and what the harness has to say: the outcome, and what it is about.

Which delivery is the fourth to be rung for is not the same every time; without its ring, none is ever worked on.
"""

ROUNDS = 25
"""Rounds of sweeps that a broken build gets to mend what a sound one mends in the first two."""

MUST_BE_THERE = {
    f"{name}@{when}"
    for name in (
        "SqlDeliveries._write_all issue_comment",
        "queue ring delivery",
        "SqlIntents.begin resolve",
        "SqlJobs.create",
        "SqlJobs.claim",
        "git fetch",
        "git write_commit",
        "git push create ours",
        "git push move head",
        "git push delete ours",
        "SqlProposals.approve",
        "SqlProposals.begin_push publish",
        "SqlProposals.end_push done publish",
        "SqlProposals.end_push done roll_back",
        "SqlJobs.move publishing published",
        "forge create_check_run",
        "forge update_check_run",
        "forge create_comment",
        "forge update_comment",
        "forge react eyes",
        "SqlReports.wrote",
    )
    for when in ("before", "after")
} | {"git-push@started", "git-push@finished", "git-fetch@started", "git-fetch@finished"}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


def test_what_counts_as_reading_is_a_method_of_its_port() -> None:
    for port, reads in ((Forge, READS_OF_FORGE), (AgentRunner, READS_OF_RUNNER)):
        assert reads <= set(dir(port)), port


@pytest.mark.timeout(900)
@session_loop
async def test_broken_builds_are_found_out(host: Host, backend: SqliteBackend) -> None:
    recording = await record(host, backend, RULES)
    assert MUST_BE_THERE - set(recording.names) == set()
    assert [name for name in recording.names if name.startswith("unknown")] == []
    for flaw, point, outcome, because in BROKEN:
        rounds = ROUNDS if outcome == "stuck" else None
        verdict = await attempt(host, backend, RULES, recording, point, flaw=flaw, rounds=rounds)
        assert verdict.outcome == outcome, (flaw, verdict.difference)
        assert any(re.match(because, line) for line in verdict.difference), (flaw, verdict.difference)
        # That time ran out would prove nothing: the machine may be slow.
        assert (f"stuck: {NO_REST}" in verdict.difference) == (outcome == "stuck"), (flaw, verdict.difference)


def ending(*facts: str, stuck: str | None = None) -> Ending:
    return Ending(facts=Counter(facts), reached=[], deaths=("somewhere",), stuck=stuck, said="")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (ending("a", "b"), "same"),
        (ending("a"), "lost"),
        (ending("a", "b", "b"), "double"),
        (ending("a", "b", "c"), "double"),
        (ending("a", "c"), "lost"),
        (ending("a", "b", "delivery never arrived: push None"), "lost"),
        (ending("a", "b", stuck="it did not come to rest"), "stuck"),
    ],
)
def test_an_ending_is_judged_by_what_is_missing_and_what_is_too_much(found: Ending, outcome: str) -> None:
    assert judge(Counter(["a", "b"]), found, "somewhere").outcome == outcome


def verdicts(**outcomes: int) -> list[Verdict]:
    return [
        Verdict(point=f"SqlJobs.{outcome}{number}@before", outcome=outcome)
        for outcome, count in outcomes.items()
        for number in range(count)
    ]


def test_points_that_nobody_reached_are_few_or_known_to_be_rare() -> None:
    rare = [Verdict(point=f"SqlLevels.later@{when}", outcome="unreached") for when in ("before", "after")]
    assert missed(rare) == []
    assert missed([*verdicts(same=4, unreached=1), *rare]) == []
    assert missed(verdicts(same=3, unreached=1)) == ["SqlJobs.unreached0@before"]
    assert missed([*verdicts(same=3, unreached=2), *rare]) == [
        "SqlJobs.unreached0@before",
        "SqlJobs.unreached1@before",
    ]


def test_points_that_share_a_trial_are_far_apart_and_none_is_left_out() -> None:
    points = [str(number) for number in range(7)]
    trials = spread(points, together=3)
    assert trials == [("0", "3", "6"), ("1", "4"), ("2", "5")]
    assert spread(points, together=1) == [(point,) for point in points]
    assert spread([], together=3) == []


def test_a_name_is_tried_where_it_comes_up_first_and_where_it_means_something_else() -> None:
    nothing: Counter[str] = Counter()
    recordings = {
        "rules": Recording(facts=nothing, points=("SqlJobs.claim@before#1", "SqlRuns.create x@before#1")),
        "agent": Recording(
            facts=nothing,
            points=("SqlJobs.claim@before#1", "SqlRuns.create x@before#1", "sandbox start@before#1"),
        ),
    }
    assert names_to_try(STORIES["agent"], recordings) == ("SqlRuns.create x@before", "sandbox start@before")


def test_the_first_and_the_last_occurrence_of_a_name_are_tried() -> None:
    recording = Recording(facts=Counter(), points=("a@before#1", "b@before#1", "a@before#2", "a@before#3"))
    assert recording.names == ("a@before", "b@before")
    assert recording.ends(["a@before", "b@before"]) == ("a@before#1", "a@before#3", "b@before#1")
