"""What holds for every rule, on whatever bytes."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.cases import FileCase, PathHistory
from bot.model.conflicts import Hunk, MarkedFile, Side
from bot.model.resolutions import HunkAnswer, SideTexts, Tier
from bot.resolvers.rules import (
    additions,
    adjacent,
    both,
    history,
    identical,
    removed,
    superset,
    tokens,
    union,
    version,
    whitespace,
)
from bot.resolvers.table import RESOLVERS
from tests.bot.resolvers.cases import PATHS, Rule, Trio, a_case, trios

APPLIED: tuple[Rule, ...] = (identical, history, whitespace, version, removed, superset)
SHOWN: tuple[Rule, ...] = (additions, tokens, adjacent, union, both)
ONE_SIDE: tuple[Rule, ...] = (*APPLIED, additions)
SYMMETRIC: tuple[Rule, ...] = (history, whitespace, version, removed, superset, additions, tokens, adjacent)

HISTORIES = st.sampled_from(
    [
        PathHistory(),
        PathHistory(ours=frozenset({"2" * 40}), theirs=frozenset({"2" * 40, "3" * 40})),
        PathHistory(ours=frozenset({"2" * 40, "3" * 40}), theirs=frozenset({"3" * 40})),
    ]
)


def name_of(rule: Rule) -> str:
    return rule.NAME


def swapped(case: FileCase) -> FileCase:
    """The same conflict seen from the other side."""
    hunks = tuple(replace(hunk, ours=hunk.theirs, theirs=hunk.ours) for hunk in case.marked.hunks)
    return replace(
        case,
        stages=case.stages | {Side.OURS: case.stages[Side.THEIRS], Side.THEIRS: case.stages[Side.OURS]},  # type: ignore[operator]
        sides=SideTexts(ancestor=case.sides.ancestor, ours=case.sides.theirs, theirs=case.sides.ours),
        marked=replace(case.marked, hunks=hunks),
        history=PathHistory(ours=case.history.theirs, theirs=case.history.ours),
    )


def words(text: bytes) -> set[bytes]:
    return set(re.findall(rb"[A-Za-z0-9_\x80-\xff]+", text))


def test_the_table_has_every_rule_in_its_tier() -> None:
    rows = {resolver.name: resolver for resolver in RESOLVERS}
    for tier, rules in ((Tier.A, APPLIED), (Tier.B, SHOWN)):
        assert [name for name, row in rows.items() if row.tier is tier] == [rule.NAME for rule in rules]
        assert all(rows[rule.NAME].summary == rule.SUMMARY and rule.SUMMARY.endswith(".") for rule in rules)


@pytest.mark.parametrize("rule", [*APPLIED, *SHOWN], ids=name_of)
@settings(deadline=None)
@given(texts=st.lists(trios(), min_size=1, max_size=3), path=PATHS, before=HISTORIES)
def test_answers_fit_their_hunks_and_are_the_same_again(
    rule: Rule, texts: list[Trio], path: str, before: PathHistory
) -> None:
    case = a_case(*texts, path=path, history=before)
    answers = list(rule.answer(case))
    assert answers == list(rule.answer(case))
    for answer in answers:
        assert 0 <= answer.index < len(texts)
        assert not answer.content or answer.content.endswith(b"\n")
        assert answer.resolver == rule.NAME
        assert answer.tier is Tier.B or (answer.tier is Tier.A and rule in APPLIED)
        assert answer.reason.endswith((".", "!"))
        ours, ancestor, theirs = texts[answer.index]
        assert words(answer.content) <= words(ours) | words(ancestor) | words(theirs)
        if rule in ONE_SIDE:
            assert answer.content in (ours, theirs)


@pytest.mark.parametrize("rule", [*APPLIED, *SHOWN], ids=name_of)
@settings(deadline=None)
@given(texts=st.tuples(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80)), path=PATHS)
def test_arbitrary_bytes_at_the_end_of_a_file_raise_nothing(rule: Rule, texts: Trio, path: str) -> None:
    case = a_case(texts, path=path, around=(b"", b""))
    for answer in rule.answer(case):
        assert words(answer.content) <= words(b" ".join(texts))


@pytest.mark.parametrize("rule", SYMMETRIC, ids=name_of)
@settings(deadline=None)
@given(texts=st.lists(trios(), min_size=1, max_size=3), path=PATHS, before=HISTORIES)
def test_the_sides_are_treated_alike(rule: Rule, texts: list[Trio], path: str, before: PathHistory) -> None:
    case = a_case(*texts, path=path, history=before)
    there = {answer.index: answer.content for answer in rule.answer(case)}
    back = {answer.index: answer.content for answer in rule.answer(swapped(case))}
    assert back == there


def huge(line: str, other: str) -> Trio:
    ancestor = "".join(f"{line} {number}\n" for number in range(20_000))
    ours = "".join(f"{line} {number * 7 % 20_011}\n" for number in range(20_000))
    theirs = "".join(f"{other} {number}\n" for number in range(20_000))
    return ours.encode(), ancestor.encode(), theirs.encode()


HUGE = {
    "rewritten": huge("value", "other"),
    "the same word": (b"a a\n" * 20_000, b"a\n" * 20_000, b"a a a\n" * 20_000),
    "one long line": (b"ab " * 200_000 + b"\n", b"ba " * 200_000 + b"\n", b"aa " * 200_000 + b"\n"),
    "one side gone": (b"", b"x y z\n" * 20_000, b"x y w\n" * 20_000),
    "numbers": (b"1." * 200_000 + b"\n", b"1-" * 200_000 + b"\n", b"1.1-" * 100_000 + b"\n"),
}


@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize("rule", [*APPLIED, *SHOWN], ids=name_of)
@pytest.mark.parametrize("texts", HUGE.values(), ids=HUGE)
def test_huge_hunks_take_bounded_time(rule: Rule, texts: Trio) -> None:
    case = a_case(*[texts] * 3, path="src/main.go")
    list(rule.answer(case))


@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize("rule", [*APPLIED, *SHOWN], ids=name_of)
def test_ten_thousand_hunks_take_bounded_time(rule: Rule) -> None:
    text = b"the quick brown fox jumps over the lazy dog %d\n"
    trio = (b"", b"".join(text % number for number in range(3)), b"".join(text % (number % 2) for number in range(3)))
    whole = b"".join(b"another line of the file, %d\n" % number for number in range(20_000))
    case = a_case(*[trio] * 10_000, sides=SideTexts(ancestor=whole, ours=whole, theirs=whole))
    list(rule.answer(case))


@pytest.mark.parametrize("rule", [*APPLIED, *SHOWN], ids=name_of)
def test_a_file_without_hunks_has_no_answers(rule: Rule) -> None:
    case = a_case()
    empty = replace(case, marked=MarkedFile(path="a", segments=(b"text\n",), hunks=()))
    assert list(rule.answer(empty)) == []


def test_answers_of_several_hunks_carry_their_numbers() -> None:
    case = a_case((b"a\n", b"b\n", b" a\n"), (b"x\n", b"b\n", b"y\n"), (b"c\n", b"b\n", b"c \n"))
    found: list[HunkAnswer] = list(identical.answer(case))
    assert [answer.index for answer in found] == [0, 2]
    assert isinstance(case.marked.hunks[0], Hunk)
