"""Changes that the syntax keeps apart, changes inside of what is gone, changes that hold the other side's."""

from bot.model.resolutions import Tier
from bot.resolvers.structural import resolver
from tests.bot.resolvers.cases import a_case, only, taken

BODY = b"".join(b"    step(%d, value_%d);\n" % (number, number) for number in range(8))

BRACKETS = (
    b"x = foo(\n    a,\n    b,\n    c, d, e,\n)\n",
    b"x = [\n    a,\n    b,\n    c, d, e,\n]\n",
    b"x = foo(\n    a,\n    b)\ny = bar(z,\n    c, d, e,\n)\n",
)
"""The ancestor, ours and theirs: each is whole, both changes together are not."""


class TestInPlace:
    def test_words_replaced_on_different_lines(self) -> None:
        found = only(
            resolver,
            b"  a := one(1)\n  b := two(2)\n  c := three(3)\n",
            b"  a := one(1)\n  b := two(2)\n  c := four(3)\n",
            b"  a := uno(1)\n  b := two(2)\n  c := four(3)\n",
        )
        assert found is not None
        assert found.content == b"  a := uno(1)\n  b := two(2)\n  c := three(3)\n"
        assert (found.tier, found.resolver) == (Tier.STRUCTURAL, "structural: in place")
        assert "both only replaced words in place" in found.reason

    def test_the_other_side_may_add_a_line(self) -> None:
        ours = b"  a := uno(1)\n  b := two(2)\n"
        theirs = b"  a := one(1)\n  b := two(2)\n  log(three)\n"
        ancestor = b"  a := one(1)\n  b := two(2)\n"
        expected = b"  a := uno(1)\n  b := two(2)\n  log(three)\n"
        assert taken(resolver, ours, ancestor, theirs) == taken(resolver, theirs, ancestor, ours) == expected

    def test_without_a_grammar_too(self) -> None:
        texts = (b"alpha = 1\nsame\nbeta = 3\n", b"alpha = 1\nsame\nbeta = 2\n", b"alpha = 9\nsame\nbeta = 2\n")
        assert taken(resolver, *texts, path="settings.ini") == b"alpha = 9\nsame\nbeta = 3\n"

    def test_two_insertions_compete(self) -> None:
        ancestor = b"  a := one(1)\n  b := two(2)\n  c := three(3)\n"
        ours = b"  first(x)\n" + ancestor
        theirs = ancestor + b"  last(y)\n"
        assert taken(resolver, ours, ancestor, theirs) is None

    def test_one_line_is_for_one_side(self) -> None:
        texts = (b"  a(1, two, three, 5)\n", b"  a(1, two, three, 4)\n", b"  a(9, two, three, 4)\n")
        assert taken(resolver, *texts) is None

    def test_a_name_that_one_takes_away_and_the_other_brings_in(self) -> None:
        ancestor = b"  a := old(1)\n  b := two(2)\n  c := three(3)\n"
        ours = b"  a := fresh(1)\n  b := two(2)\n  c := three(3)\n"
        theirs = b"  a := old(1)\n  b := two(2)\n  c := old(3)\n"
        assert taken(resolver, ours, ancestor, theirs) is None

    def test_what_would_not_parse_is_no_answer(self) -> None:
        ancestor, ours, theirs = BRACKETS
        assert taken(resolver, ours, ancestor, theirs, path="a.ini") is not None
        assert taken(resolver, ours, ancestor, theirs, path="a.py") is None


class TestRemoved:
    def test_a_small_change_inside_of_what_is_gone(self) -> None:
        ancestor = b"func a() {\n" + BODY + b"}\n"
        found = only(resolver, b"", ancestor, ancestor.replace(b"value_3", b"value_x"))
        assert found is not None
        assert (found.content, found.resolver) == (b"", "structural: removed")
        assert found.reason.startswith("Ours removed these lines; theirs changed only 2 of ")

    def test_rewritten_by_theirs(self) -> None:
        rewritten = b"    all(values);\n"
        found = only(resolver, BODY.replace(b"value_3", b"value_x"), BODY, rewritten)
        assert found is not None
        assert found.content == rewritten
        assert found.reason.startswith("Theirs rewrote these lines; ours changed only 2 of ")

    def test_a_line_more_may_be_wanted_elsewhere(self) -> None:
        assert taken(resolver, b"", BODY, BODY.replace(b"    step(4", b"    also();\n    step(4")) is None

    def test_much_changed_is_no_small_change(self) -> None:
        assert taken(resolver, b"", BODY, BODY.replace(b"value", b"other").replace(b"step", b"leap")) is None

    def test_moved_lines_may_need_the_change(self) -> None:
        theirs = BODY.replace(b"value_3", b"value_x")
        moved = a_case((b"", BODY, theirs), around=(b"top\n", b"func b() {\n" + BODY + b"}\n"))
        assert list(resolver.answer(moved)) == []


class TestContained:
    def test_ours_has_all_of_theirs_and_more(self) -> None:
        found = only(
            resolver,
            b"  a(1)\n  check(second, third)\n  log(both)\n",
            b"",
            b"  check(second, third)\n  a(1)\n",
            path="x.unknown",
        )
        assert found is not None
        assert found.content == b"  a(1)\n  check(second, third)\n  log(both)\n"
        assert found.resolver == "structural: contained"

    def test_a_version_is_not_taken_back_for_its_digits(self) -> None:
        case = a_case((b"web==2.0.9\n", b"web==2.2.3\n", b"web==2.3.0\n"), path="requirements.txt")
        assert list(resolver.answer(case)) == []
        case = a_case((b"web==2.3.0, <3.1\n", b"web==2.2.3\n", b"web==2.3.0\n"), path="requirements.txt")
        assert [answer.content for answer in resolver.answer(case)] == [b"web==2.3.0, <3.1\n"]

    def test_an_opposite_or_a_preview_is_not_more_of_the_same(self) -> None:
        texts = (b"if user.ok and not user.banned:\n", b"if user.ok:\n", b"if user.ok and user.banned:\n")
        assert taken(resolver, *texts, path="a.txt") is None
        texts = (b'v = "1.10.0-rc1"\n', b'v = "1.9.0"\n', b'v = "1.10.0"\n')
        assert taken(resolver, *texts, path="a.conf") is None

    def test_theirs_has_to_remove_more_as_well(self) -> None:
        large, small = b"  b(2)\n  a(1)\n  c(3, 4)\n", b"  a(1)\n  b(2)\n"
        assert taken(resolver, large, b"", small, path="x") == large
        assert taken(resolver, small, b"", large, path="x") is None

    def test_the_same_words_in_another_order_say_nothing(self) -> None:
        assert taken(resolver, b"  b(2)\n  a(1)\n", b"", b"  a(1)\n  b(2)\n", path="x") is None


def test_hunks_of_one_file_are_answered_one_by_one() -> None:
    good = (b"  a := 1\n  b := 2\n  c := 4\n", b"  a := 1\n  b := 2\n  c := 3\n", b"  a := 9\n  b := 2\n  c := 3\n")
    open_one = (b"x\n", b"y\n", b"z\n")
    found = list(resolver.answer(a_case(good, open_one, good)))
    assert [answer.index for answer in found] == [0, 2]
    assert {answer.content for answer in found} == {b"  a := 9\n  b := 2\n  c := 4\n"}


def test_one_broken_answer_does_not_spoil_the_others() -> None:
    good = (b"a = 1\nb = 2\nc = 4\n", b"a = 1\nb = 2\nc = 3\n", b"a = 9\nb = 2\nc = 3\n")
    bad = (BRACKETS[1], BRACKETS[0], BRACKETS[2])
    found = list(resolver.answer(a_case(good, bad, good, path="a.py", around=(b"x = 0\n", b""))))
    assert [answer.index for answer in found] == [0, 2]
