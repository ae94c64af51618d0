"""The chain: the first answer counts, candidates are never applied, and a failing rule costs nothing."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.merge.markers import parse_marked, render, splice
from bot.merge.remainder import remainder
from bot.model.cases import FileCase
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.chain import MAX_CANDIDATES, run_rules
from bot.resolvers.table import RESOLVERS, Outside, Resolver, Rule
from tests.bot.resolvers.cases import PATHS, Trio, a_case, trios

CASE = a_case((b"a\n", b"b\n", b"c\n"), (b"d\n", b"e\n", b"f\n"))


def an_answer(index: int, content: bytes, *, tier: Tier = Tier.A, name: str = "rule") -> HunkAnswer:
    return HunkAnswer(
        index=index, content=content, resolver=name, tier=tier, reason="Because.", confidence=Confidence.LOW
    )


def a_row(name: str, *answers: HunkAnswer, tier: Tier = Tier.A) -> Resolver:
    return Resolver(name=name, tier=tier, summary="A rule.", answer=lambda _: answers)


def broken(after: int) -> Rule:
    def answer(_: FileCase) -> Iterator[HunkAnswer]:
        for index in range(after):
            yield an_answer(index, b"half\n")
        raise ZeroDivisionError

    return answer


def test_the_first_answer_is_applied() -> None:
    progress = run_rules(
        CASE, (a_row("one", an_answer(0, b"1\n")), a_row("two", an_answer(0, b"2\n"), an_answer(1, b"")))
    )
    assert {index: answer.content for index, answer in progress.settled.items()} == {0: b"1\n", 1: b""}
    assert progress.open == ()
    assert progress.failures == ()


def test_candidates_are_shown_and_never_applied() -> None:
    rows = (
        a_row("b", an_answer(0, b"x\n", tier=Tier.B), an_answer(1, b"y\n", tier=Tier.B), tier=Tier.B),
        a_row("a", an_answer(1, b"z\n")),
    )
    progress = run_rules(CASE, rows)
    assert progress.open == (0,)
    assert [answer.content for answer in progress.candidates[0]] == [b"x\n"]
    assert 1 not in progress.candidates


def test_equal_candidates_are_kept_once_in_the_place_of_the_first_and_few() -> None:
    texts = [b"1\n", b"2\n", b"1\n", *(b"%d\n" % number for number in range(3, 9))]
    rows = tuple(
        a_row(f"row {place}", an_answer(0, text, tier=Tier.B, name=f"row {place}")) for place, text in enumerate(texts)
    )
    found = run_rules(CASE, rows).candidates[0]
    assert [answer.content for answer in found] == [b"1\n", b"2\n", b"3\n", b"4\n"]
    assert len(found) == MAX_CANDIDATES
    assert found[0].resolver == "row 0"


def test_a_failing_rule_is_noted_and_the_next_is_asked() -> None:
    rows = (
        Resolver(name="broken", tier=Tier.A, summary="Fails.", answer=broken(1)),
        a_row("good", an_answer(0, b"good\n")),
    )
    progress = run_rules(CASE, rows)
    assert progress.failures == ("broken",)
    assert progress.settled[0].content == b"good\n"


def test_answers_that_do_not_fit_are_noted_and_left_out() -> None:
    misfits = [an_answer(2, b"x\n"), an_answer(-1, b"x\n"), an_answer(0, b"no line end"), an_answer(1, b"fits\n")]
    progress = run_rules(CASE, (a_row("misfit", *misfits),))
    assert progress.failures == ("misfit",)
    assert {index: answer.content for index, answer in progress.settled.items()} == {1: b"fits\n"}
    at_end = a_case((b"a", b"b", b"c"), around=(b"x\n", b""))
    assert run_rules(at_end, (a_row("end", an_answer(0, b"a")),)).open == ()


def test_resolvers_that_need_more_than_the_file_are_not_asked_here() -> None:
    outside = {row.answer for row in RESOLVERS if isinstance(row.answer, Outside)}
    assert outside == set(Outside)
    assert run_rules(CASE, tuple(row for row in RESOLVERS if isinstance(row.answer, Outside))).open == (0, 1)


def test_the_table_asks_what_applies_before_what_only_shows() -> None:
    tiers = [row.tier for row in RESOLVERS]
    order = list(dict.fromkeys(tiers))
    assert len({row.name for row in RESOLVERS}) == len(RESOLVERS)
    assert order[0] is Tier.A
    assert order.index(Tier.B) < order.index(Tier.DIRECT) < order.index(Tier.AGENT) < order.index(Tier.PERSON)
    assert order[-1] is Tier.PERSON


@settings(deadline=None)
@given(texts=st.lists(trios(), min_size=1, max_size=4), path=PATHS)
def test_settled_hunks_go_into_the_file_and_the_rest_stays_a_conflict(texts: list[Trio], path: str) -> None:
    case = a_case(*texts, path=path)
    progress = run_rules(case, tuple(row for row in RESOLVERS if row.tier in {Tier.A, Tier.B}))
    assert progress.failures == ()
    assert all(answer.tier is not Tier.B for answer in progress.settled.values())
    settled = {index: answer.content for index, answer in progress.settled.items()}
    left = remainder(case.marked, settled)
    assert left.indexes == progress.open
    assert parse_marked(path, render(left.marked)).hunks == left.marked.hunks
    every = [settled.get(hunk.index, hunk.ours) for hunk in case.marked.hunks]
    assert splice(left.marked, [hunk.ours for hunk in left.marked.hunks]) == splice(case.marked, every)
