"""Tests stay as strong as they are on the sides."""

import pytest

from bot.model.resolutions import Finding, GateVerdict
from bot.validation import weakened_tests
from bot.validation.path_classes import is_test
from tests.bot.validation.candidates import candidate, found, said

ANCESTOR = b"def test_a():\n    assert f(1) == 1\n\n\ndef test_b():\n    assert g() == 0\n"
OURS = ANCESTOR.replace(b"g() == 0", b"g() == 1")
THEIRS = ANCESTOR.replace(b"g() == 0", b"g() == 2")


def check(result: bytes, path: str = "tests/test_x.py") -> list[Finding]:
    return found(weakened_tests.check, candidate(result, path=path, ours=OURS, ancestor=ANCESTOR, theirs=THEIRS))


@pytest.mark.parametrize("result", [OURS, THEIRS, OURS.replace(b"== 1\n", b"== 1\n    assert g() != 3\n")])
def test_as_strong_as_the_sides_is_strong_enough(result: bytes) -> None:
    assert check(result) == []


def test_fewer_assertions_than_on_each_side_need_a_person() -> None:
    (finding,) = check(OURS.replace(b"    assert g() == 1\n", b"    g()\n"))
    assert finding.verdict is GateVerdict.NEEDS_PERSON
    assert finding.message == "There are 1 assertions here, and no side has fewer than 2."
    assert len(check(OURS.replace(b"    assert g() == 1\n", b"    # assert g() == 1\n"))) == 1


def test_a_test_of_both_sides_may_not_go() -> None:
    assert "The test `test_b` is on every side, and not in the result." in said(
        check(OURS[: OURS.index(b"def test_b")])
    )
    renamed = check(OURS.replace(b"test_b", b"check_b"))
    assert said(renamed) == ["The test `test_b` is on every side, and not in the result."]


@pytest.mark.parametrize(
    "line",
    [
        "@pytest.mark.skip",
        "@pytest.mark.xfail(reason='x')",
        "    pytest.skip('later')",
        "@unittest.skipIf(True, '')",
        "    self.skipTest('x')",
        "\tt.Skip()",
        "@Disabled",
        "@Ignore",
        "#[ignore]",
        "it.only('works', () => {",
        "describe.skip('works', () => {",
        "xit('works', () => {",
        "  fdescribe('works', () => {",
        "GTEST_SKIP();",
        "    if False:",
        "    if (0) {",
    ],
)
def test_a_new_mark_that_skips_or_singles_out_needs_a_person(line: str) -> None:
    (finding,) = check(OURS.replace(b"    assert g()", line.encode() + b"\n    assert g()"))
    assert (finding.verdict, finding.lines) == (GateVerdict.NEEDS_PERSON, (6, 6))


@pytest.mark.parametrize(
    "line",
    [
        "    assert True",
        "    assert(1)",
        "    self.assertTrue(True)",
        "    assertEqual(x, x)",
        "    expect(true).toBe(true)",
        "    ASSERT_TRUE(true)",
        "    assert f() or True",
        "    assert f() == 1 or 1",
        "    assert 22 == 22",
    ],
)
def test_an_assertion_that_is_always_true_needs_a_person(line: str) -> None:
    (finding,) = check(OURS.replace(b"    assert g() == 1", line.encode()))
    assert finding.message == "This assertion is always true, and neither side has it."


def test_marks_of_a_side_and_files_without_tests_are_left_alone() -> None:
    ours = OURS.replace(b"def test_b", b"@pytest.mark.skip\ndef test_b")
    case = candidate(ours, path="tests/test_x.py", ours=ours, ancestor=ANCESTOR, theirs=THEIRS)
    assert found(weakened_tests.check, case) == []
    assert check(OURS.replace(b"assert g()", b"x = g()"), path="src/app.py") == []


@pytest.mark.parametrize(
    "path",
    ["tests/a.py", "test_a.py", "pkg/a_test.go", "src/FooTest.java", "a.spec.ts", "spec/a.rb", "src/__tests__/a.js"],
)
def test_files_of_tests_are_known_by_their_names(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize("path", ["src/app.py", "latest.py", "contest/a.py", "src/attest.go"])
def test_other_files_are_not(path: str) -> None:
    assert not is_test(path)
