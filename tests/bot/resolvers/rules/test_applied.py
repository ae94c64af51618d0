"""The rules whose answers are applied: when they answer, what they say, and when they hold back."""

import pytest

from bot.model.cases import PathHistory
from bot.model.resolutions import SideTexts, Tier
from bot.resolvers.rules import history, identical, removed, superset, version, whitespace
from tests.bot.resolvers.cases import a_case, only, taken

OURS, THEIRS = "2" * 40, "3" * 40


class TestIdentical:
    def test_white_space_is_no_difference(self) -> None:
        found = only(identical, b"f( a,b )\r\n", b"old\n", b"f(a, b)\n")
        assert found is not None
        assert found.content == b"f( a,b )\r\n"
        assert found.reason == "Both sides made the same change; they differ in white space only."

    def test_indentation_is_one_where_it_has_a_meaning(self) -> None:
        assert taken(identical, b"  a\n", b"", b"a\n") == b"  a\n"
        assert taken(identical, b"  a\n", b"", b"a\n", path="a.py") is None
        assert taken(identical, b"a: b\n\n", b"", b"a: b  \n", path="a.yaml") == b"a: b\n\n"

    def test_both_removed_all(self) -> None:
        assert taken(identical, b"", b"x\n", b"\n") == b""

    def test_a_word_is_a_difference(self) -> None:
        assert taken(identical, b"a b\n", b"", b"a c\n") is None

    def test_without_final_newline(self) -> None:
        assert taken(identical, b"a b", b"x", b"a  b\n") == b"a b"


class TestHistory:
    def test_the_side_that_builds_on_the_other_is_taken(self) -> None:
        built = a_case(
            (b"a\n", b"b\n", b"c\n"),
            (b"", b"b\n", b"d\n"),
            history=PathHistory(ours=frozenset({OURS}), theirs=frozenset({OURS, THEIRS})),
        )
        found = list(history.answer(built))
        assert [answer.content for answer in found] == [b"c\n", b"d\n"]
        assert "theirs includes ours" in found[0].reason

    def test_the_other_way_round(self) -> None:
        built = a_case((b"a\n", b"b\n", b"c\n"), history=PathHistory(ours=frozenset({OURS, THEIRS})))
        assert [answer.content for answer in history.answer(built)] == [b"a\n"]

    def test_nothing_without_a_history_or_with_each_in_the_other(self) -> None:
        assert taken(history, b"a\n", b"b\n", b"c\n") is None
        crossed = PathHistory(ours=frozenset({OURS, THEIRS}), theirs=frozenset({OURS, THEIRS}))
        assert list(history.answer(a_case((b"a\n", b"b\n", b"c\n"), history=crossed))) == []


class TestWhitespace:
    def test_the_side_with_words_changed_is_taken(self) -> None:
        found = only(whitespace, b"if (a)\r\n", b"if (a)\n", b"if (b)\n")
        assert found is not None
        assert found.content == b"if (b)\n"
        assert found.reason == "Here ours changed only white space, so theirs is taken."
        assert taken(whitespace, b"if (b)\n", b"if (a)\n", b"  if (a)\n") == b"if (b)\n"

    def test_indentation_counts_in_python(self) -> None:
        assert taken(whitespace, b"    a = 1\n", b"a = 1\n", b"a = 2\n", path="a.py") is None
        assert taken(whitespace, b"a = 1  \n", b"a = 1\n", b"a = 2\n", path="a.py") == b"a = 2\n"

    def test_nothing_where_the_ancestor_is_empty(self) -> None:
        assert taken(whitespace, b"\n", b"", b"new\n") is None

    def test_a_side_that_removed_all_is_taken(self) -> None:
        assert taken(whitespace, b"", b"x\n", b"x \n") == b""

    def test_lock_files_are_left_to_their_tool(self) -> None:
        assert taken(whitespace, b"a  1\n", b"a 1\n", b"a 2\n", path="go.sum") is None


class TestVersion:
    def test_the_larger_is_taken_and_named(self) -> None:
        found = only(version, b'"x": "1.4.2"\n', b'"x": "1.3.0"\n', b'"x": "1.4.0"\n', path="package.json")
        assert found is not None
        assert found.content == b'"x": "1.4.2"\n'
        assert found.reason == "Our version 1.4.2 is larger than theirs, 1.4.0, and nothing else differs."

    def test_numbers_are_compared_as_numbers(self) -> None:
        assert taken(version, b"v1.9.0\n", b"v1.8.0\n", b"v1.10.0\n") == b"v1.10.0\n"
        assert taken(version, b"1.0-rc.9\n", b"1.0-rc.1\n", b"1.0-rc.10\n") == b"1.0-rc.10\n"

    def test_a_hunk_of_several_needs_one_larger_side(self) -> None:
        assert taken(version, b"1.1.0 2.1.0\n", b"1.0.0 2.0.0\n", b"1.2.0 2.2.0\n") == b"1.2.0 2.2.0\n"
        assert taken(version, b"1.1.0 2.2.0\n", b"1.0.0 2.0.0\n", b"1.2.0 2.1.0\n") is None

    def test_a_release_after_a_snapshot_of_another_number(self) -> None:
        assert taken(version, b"6.0.0-SNAPSHOT\n", b"5.3.1\n", b"5.3.2\n") == b"6.0.0-SNAPSHOT\n"
        assert taken(version, b"5.4.0-dev\n", b"5.3.0-dev\n", b"5.3.1\n") is None
        assert taken(version, b"1.0.0\n", b"0.9.0\n", b"1.0.0-rc.1\n") is None

    def test_what_is_no_version(self) -> None:
        assert taken(version, b"main.js 6.7 KiB\n", b"main.js 6.6 KiB\n", b"main.js 6.8 KiB\n") is None
        assert taken(version, b"12\n", b"10\n", b"11\n") is None
        assert taken(version, b"f(1.2, a)\n", b"f(1.1, a)\n", b"f(1.3, b)\n") is None
        assert taken(version, b"since 1.2\n", b"since 1.1\n", b"since 1.3\n", path="README.md") is None

    @pytest.mark.parametrize(
        ("ours", "ancestor", "theirs"),
        [
            (b"rate = 0.05\n", b"rate = 0.1\n", b"rate = 0.2\n"),
            (b"due = '05.01.2024'\n", b"due = '01.02.2023'\n", b"due = '04.12.2023'\n"),
            (b"host = '10.0.0.2'\n", b"host = '10.0.0.1'\n", b"host = '10.0.0.3'\n"),
            (b"call = '555.123.9999'\n", b"call = '555.123.4567'\n", b"call = '555.124.0000'\n"),
            (b'"a": "<2.1.0"\n', b'"a": "<2.2.0"\n', b'"a": "<2.3.0"\n'),
            (b'"a": "<= 2.1.0"\n', b'"a": "<= 2.2.0"\n', b'"a": "<= 2.3.0"\n'),
        ],
    )
    def test_other_numbers_with_points_in_them(self, ours: bytes, ancestor: bytes, theirs: bytes) -> None:
        assert taken(version, ours, ancestor, theirs) is None
        assert taken(version, theirs, ancestor, ours) is None

    def test_requirements_are_no_prose(self) -> None:
        kept = taken(version, b"django==2.2.4\n", b"django==2.2.3\n", b"django==2.3.0\n", path="requirements.txt")
        assert kept == b"django==2.3.0\n"

    def test_zeros_at_the_end_are_no_difference(self) -> None:
        assert taken(version, b"1.2.0\n", b"1.1\n", b"1.2\n") is None

    def test_both_went_down(self) -> None:
        assert taken(version, b"1.1\n", b"2.0\n", b"1.2\n") is None


class TestRemoved:
    LONG = b"def one(first, second):\n" + b"".join(b"    total += weigh(first, %d)\n" % n for n in range(20))
    EDITED = LONG.replace(b"weigh(first, 7)", b"weigh(second, 7)")

    def test_a_small_edit_in_removed_text(self) -> None:
        found = only(removed, b"", self.LONG, self.EDITED)
        assert found is not None
        assert found.content == b""
        assert found.reason == "Ours removed 188 words and signs here, and all that theirs did was to change 1 of them."
        assert taken(removed, self.EDITED, self.LONG, b"") == b""

    def test_a_part_of_it_removed_by_the_other_side(self) -> None:
        half = b"".join(self.LONG.splitlines(keepends=True)[:12])
        found = only(removed, half, self.LONG, b"")
        assert found is not None
        assert found.content == b""
        assert (
            found.reason == "Theirs removed 188 words and signs here, and all that ours did was to remove 81 of them."
        )
        assert taken(removed, b"".join(self.LONG.splitlines(keepends=True)[:5]), self.LONG, b"") is None

    def test_not_when_much_was_written(self) -> None:
        assert taken(removed, b"", self.LONG, self.LONG.replace(b"weigh", b"measure")) is None
        assert (
            taken(removed, b"", self.LONG, self.LONG + b"print('this is a new line', 'with', 'much', 'in', 'it')\n")
            is None
        )

    def test_not_when_more_than_ten_words_were_written_into_a_long_text(self) -> None:
        longer = self.LONG * 4
        assert taken(removed, b"", longer, longer + b"a b c d e f g h i j\n") == b""
        assert taken(removed, b"", longer, longer + b"a b c d e f g h i j k\n") is None

    def test_not_when_little_was_removed(self) -> None:
        assert taken(removed, b"", b"a = 1\n", b"a = 2\n") is None

    def test_not_when_the_text_was_moved(self) -> None:
        moved = SideTexts(ancestor=None, ours=b"head\nbefore\nafter\n" + self.LONG, theirs=None)
        assert list(removed.answer(a_case((b"", self.LONG, self.EDITED), sides=moved))) == []
        gone = SideTexts(ancestor=None, ours=b"head\nbefore\nafter\n", theirs=None)
        assert len(list(removed.answer(a_case((b"", self.LONG, self.EDITED), sides=gone)))) == 1

    def test_not_when_the_remover_wrote_something_in_its_place(self) -> None:
        assert taken(removed, b"nothing\n", self.LONG, self.EDITED) is None


class TestSuperset:
    def test_the_side_with_all_edits_is_taken(self) -> None:
        found = only(superset, b"ring(alpha, beta, 2)\n", b"call(alpha, beta, 1)\n", b"call(alpha, beta, 2)\n")
        assert found is not None
        assert found.content == b"ring(alpha, beta, 2)\n"
        assert found.tier is Tier.A
        assert found.reason == "Ours has every edit that theirs made here, and 1 more."

    def test_what_is_only_inserted_is_a_candidate(self) -> None:
        found = only(superset, b"call(alpha, beta, 2)\n", b"call(alpha, beta, 1)\n", b"try call(alpha, beta, 2)\n")
        assert found is not None
        assert (found.content, found.tier) == (b"try call(alpha, beta, 2)\n", Tier.B)

    def test_not_when_only_a_removal_is_shared(self) -> None:
        assert taken(superset, b"a b c e f g h\n", b"a b c d e f g h\n", b"a b c e f g x\n") is None

    def test_not_when_the_sides_are_not_alike(self) -> None:
        assert taken(superset, b"p q r s t b x\n", b"a b c\n", b"a b x\n") is None
        assert taken(superset, b"p b x\n", b"a b c\n", b"a b x\n") == b"p b x\n"

    def test_not_without_an_ancestor(self) -> None:
        assert taken(superset, b"a b c\n", b"", b"a b c d\n") is None
