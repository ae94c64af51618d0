"""The rules whose answers are only shown."""

from bot.model.resolutions import Confidence
from bot.resolvers.rules import additions, adjacent, both, tokens, union
from tests.bot.resolvers.cases import a_case, only, taken


class TestAdditions:
    def test_the_side_with_all_lines(self) -> None:
        assert taken(additions, b"a\nb\n", b"", b"a\n") == b"a\nb\n"
        assert taken(additions, b"a\n", b"", b"0\na\nb\n") == b"0\na\nb\n"

    def test_not_in_another_order_and_not_when_something_was_removed(self) -> None:
        assert taken(additions, b"b\na\n", b"", b"a\nb\nc\n") is None
        assert taken(additions, b"a\nb\n", b"x\n", b"a\nb\nc\n") is None


class TestTokens:
    def test_edits_on_one_line_are_put_together(self) -> None:
        found = only(tokens, b"f(x, 1, 2, 3, 40)\n", b"f(x, 1, 2, 3, 4)\n", b"g(x, 1, 2, 3, 4)\n")
        assert found is not None
        assert found.content == b"g(x, 1, 2, 3, 40)\n"
        assert found.confidence is Confidence.MEDIUM

    def test_close_edits_are_less_sure(self) -> None:
        found = only(tokens, b"a+c\n", b"a+b\n", b"d+b\n")
        assert found is not None
        assert (found.content, found.confidence) == (b"d+c\n", Confidence.LOW)

    def test_edits_of_one_word_exclude_one_another(self) -> None:
        assert taken(tokens, b"a\n", b"b\n", b"c\n") is None

    def test_line_ends_stay(self) -> None:
        assert taken(tokens, b"a, b, c\r\nq\r\n", b"a, b\r\nq\r\n", b"a, b\r\nr\r\n") == b"a, b, c\r\nr\r\n"


class TestAdjacent:
    def test_neighbouring_lines(self) -> None:
        assert taken(adjacent, b"A\nb\n", b"a\nb\n", b"a\nB\n") == b"A\nB\n"

    def test_at_the_end_of_a_file_without_a_newline(self) -> None:
        case = a_case((b"X\nb", b"x\nb", b"x\nB"), around=(b"", b""))
        assert [answer.content for answer in adjacent.answer(case)] == [b"X\nB"]

    def test_not_when_both_changed_a_line(self) -> None:
        assert taken(adjacent, b"A\n", b"a\n", b"B\n") is None


class TestUnion:
    def test_imports_of_both_each_once(self) -> None:
        ours, theirs = b"import a\nimport c\n", b"import b\nimport c\n"
        assert taken(union, ours, b"import c\n", theirs, path="a.py") == b"import a\nimport b\nimport c\n"
        assert taken(union, b"use z;\nuse b;\n", b"", b"use a;\n") == b"use z;\nuse b;\nuse a;\n"

    def test_lists(self) -> None:
        assert taken(union, b"*.o\n", b"", b"*.a\n*.o\n", path="sub/.gitignore") == b"*.o\n*.a\n"

    def test_not_for_other_lines_nor_when_one_was_removed(self) -> None:
        assert taken(union, b"a = 1\n", b"", b"b = 1\n") is None
        assert taken(union, b"import a\n", b"import x\n", b"import b\nimport x\n") is None

    def test_an_entry_that_ended_the_file_gets_an_end(self) -> None:
        case = a_case((b"*.o", b"", b"*.a"), path=".gitignore", around=(b"", b""))
        assert [answer.content for answer in union.answer(case)] == [b"*.o\n*.a"]


class TestBoth:
    def test_in_either_order(self) -> None:
        found = list(both.answer(a_case((b"one\n", b"", b"two\n"))))
        assert [answer.content for answer in found] == [b"one\ntwo\n", b"two\none\n"]
        assert "ours first" in found[0].reason

    def test_what_both_begin_and_end_with_is_there_once(self) -> None:
        found = list(both.answer(a_case((b"{\none\n}\n", b"", b"{\ntwo\n}\n"))))
        assert found[0].content == b"{\none\ntwo\n}\n"

    def test_not_where_something_was_there_before(self) -> None:
        assert list(both.answer(a_case((b"one\n", b"zero\n", b"two\n")))) == []

    def test_line_ends_are_those_of_the_file(self) -> None:
        case = a_case((b"a\r\nb", b"", b"c\r\nd"), around=(b"", b""))
        assert [answer.content for answer in both.answer(case)] == [b"a\r\nb\r\nc\r\nd", b"c\r\nd\r\na\r\nb"]
