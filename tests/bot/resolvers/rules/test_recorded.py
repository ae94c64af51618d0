"""What people decided before is applied again, and only there."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.merge.markers import parse_marked, splice
from bot.model.cases import FileCase, RecordedFile
from bot.model.conflicts import ConflictKind, MarkedFile
from bot.model.resolutions import HunkAnswer, SideTexts, Tier
from bot.resolvers.chain import run_rules
from bot.resolvers.rules import recorded
from tests.bot.merge.test_markers import conflict, lines

CONTENT = lines(b"top") + conflict(b"a\n", b"", b"b\n") + lines(b"mid") + conflict(b"", b"x\n", b"y\n") + b"end"
MARKED = parse_marked("a.py", CONTENT)
SOURCE = "pull request #7, approved by alice"


def case(marked: MarkedFile = MARKED, **facts: object) -> FileCase:
    made = FileCase(
        path=marked.path,
        kind=ConflictKind.CONTENT,
        stages={},
        sides=SideTexts(ancestor=b"", ours=b"", theirs=b""),
        marked=marked,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def answers(of: FileCase) -> list[HunkAnswer]:
    return list(recorded.answer(of))


def test_an_approved_file_answers_every_hunk() -> None:
    approved = RecordedFile(content=b"top\nboth\nmid\nend", source=SOURCE)
    found = answers(case(recorded=approved, rerere={0: b"other\n"}))
    assert [(answer.index, answer.content) for answer in found] == [(0, b"both\n"), (1, b"")]
    assert {answer.tier for answer in found} == {Tier.RECORDED}
    assert all(SOURCE in answer.reason for answer in found)
    progress = run_rules(case(recorded=approved))
    assert progress.open == ()
    assert splice(MARKED, [progress.settled[n].content for n in (0, 1)]) == approved.content


def test_an_approved_file_that_was_edited_elsewhere_is_left_alone() -> None:
    edited = RecordedFile(content=b"TOP\nboth\nmid\nend", source=SOURCE)
    assert answers(case(recorded=edited)) == []
    assert [answer.index for answer in answers(case(recorded=edited, rerere={1: b"y\n"}))] == [1]


def test_single_hunks_come_from_the_cache() -> None:
    (answer,) = answers(case(rerere={1: b"y2\n"}))
    assert (answer.index, answer.content, answer.tier) == (1, b"y2\n", Tier.RECORDED)
    assert "rerere" in answer.reason
    assert run_rules(case(rerere={1: b"y2\n"})).open == (0,)
    assert answers(case()) == []


TEXTS = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"\xff\x00\n"]), max_size=4).map(b"".join)


@given(TEXTS, TEXTS, TEXTS)
def test_what_was_approved_comes_back_byte_for_byte(first: bytes, second: bytes, around: bytes) -> None:
    marked = parse_marked("x", around + conflict(b"1\n", b"", b"2\n") + around + conflict(b"3\n", b"", b"4\n") + around)
    content = splice(marked, [first, second])
    found = answers(case(marked, recorded=RecordedFile(content=content, source=SOURCE)))
    assert splice(marked, [answer.content for answer in found]) == content
