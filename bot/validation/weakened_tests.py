"""Tests stay as strong as they are on the sides."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from bot.merge.matching import lines_of
from bot.model.resolutions import Finding, GateVerdict, LineOrigin
from bot.validation.path_classes import is_test
from bot.validation.traced import TracedFile, plain

NAME: Final = "weakened_tests"

_COMMENT: Final = re.compile(r"\s*(?:#(?!\[)|//|/\*|\*|--|;|%)")

_ASSERTS: Final = re.compile(
    r"\b(?:assert\w*|ASSERT\w*|Assert\w*|expect\w*|EXPECT\w*|should\w*|must\w*|refute\w*|require\.\w+|verify\w*|CHECK\w*"
    r"|REQUIRE\w*|XCTAssert\w*|XCTFail|t\.(?:Error|Errorf|Fatal|Fatalf|is|equal|deepEqual|ok)|self\.fail|pytest\.raises"
    r"|pytest\.fail|panic|test_must_fail|test_cmp)\b",
)

_SKIPS: Final = re.compile(
    r"@(?:pytest\.mark\.)?(?:unittest\.)?(?:skip\w*|xfail|expectedFailure)\b|\bpytest\.(?:skip|xfail|importorskip)\s*\("
    r"|\bpytestmark\b[^\n]{0,60}\b(?:skip|xfail)|\bself\.skipTest\s*\(|\bSkipTest\b|\bt\.Skip\w*\s*\(|\bXCTSkip"
    r"|@(?:Ignore|Disabled\w*)\b|\[Ignore\b|\bSkip\s*=\s*\"|#\[ignore\b|\b(?:it|test|describe|context|suite)\.(?:skip|only|todo)\b"
    r"|\b(?:xit|xdescribe|xtest|xcontext|fit|fdescribe|fcontext)\s*[(\s]|^\s*(?:skip|pending)\b|\bmarkTestSkipped\s*\("
    r"|\bmarkTestIncomplete\s*\(|\bGTEST_SKIP\b|\bDISABLED_\w+|\bcollect_ignore\b|\btest_expect_failure\b|\bassumeTrue\s*\("
    r"|\bif\s{0,4}\(?\s{0,4}(?:0|[Ff]alse)\s{0,4}[:){]",
)

_EMPTY: Final = re.compile(
    r"\bassert(?:\s{1,4}|\s{0,4}\(\s{0,4})(?:True|true|1|not False|1\s{0,4}==\s{0,4}1)\s{0,4}\)?\s{0,4}(?:[,;#]|$)"
    r"|\bassert_?[tT]rue\w{0,20}\s{0,4}\(\s{0,4}(?:True|true|1)\b"
    r"|\bassert_?[fF]alse\w{0,20}\s{0,4}\(\s{0,4}(?:False|false|0)\b"
    r"|\bexpect\s{0,4}\(\s{0,4}(\w{1,60})\s{0,4}\)\s{0,4}\.to(?:Be|Equal|StrictEqual)\s{0,4}\(\s{0,4}\1\s{0,4}\)"
    r"|\b(?:EXPECT|ASSERT)_TRUE\s{0,4}\(\s{0,4}(?:true|1)\s{0,4}\)|\bassert!\s{0,4}\(\s{0,4}true\b"
    r"|\bassert_?[eE]qual\w{0,20}\s{0,4}\(\s{0,4}(\w{1,60})\s{0,4},\s{0,4}\2\s{0,4}\)|\|\|\s{0,4}true\s{0,4}$|\bor\s+(?:True|1)\b"
    r"|\bassert\s{1,4}(\w{1,60})\s{0,4}==\s{0,4}\3\s{0,4}(?:[,;#]|$)",
)

_TESTS: Final = re.compile(
    r"\bdef\s+(test\w{0,200})|\bfunc\s+(?:\([^)]{0,80}\)\s*)?((?:Test|Benchmark|Fuzz|test)\w{1,200})"
    r"|\bfunction\s+(test\w{1,200})|\bfn\s+(\w{0,100}test\w{0,100})\s*\("
    r"|\b(?:void|Task|fun|function)\s+(\w{0,100}[tT]est\w{0,100}|should\w{1,200})\s*\("
    r"|\b(?:it|test|describe|specify|context|scenario)\s*\(?\s*([\"'`][^\"'`\n]{1,200}[\"'`])"
    r"|\bTEST(?:_F|_P|_CASE)?\s*\(\s*(\w{1,200}\s*,\s*\w{1,200}|\"[^\"\n]{1,200}\")",
)

_EXAMINED: Final = 1000
"""Columns of a line that are looked at: longer new lines go to a person anyway, see ``bot.validation.new_lines``."""


def check(file: TracedFile) -> Iterator[Finding]:
    """Promise: in a file of tests, no test that both sides have is gone, and assertions are not fewer than on each.

    And no line from neither side skips a test, singles one out or asserts what is always true. Known are the usual
    frameworks' spellings, by line. That a test means less while it says as much is not seen.
    """
    if not file.text or not is_test(file.path):
        return
    sides = [text for text in (file.sides.ours, file.sides.theirs) if text is not None]
    yield from _gone(file, sides)
    least = min((_count(lines_of(side)) for side in sides), default=0)
    count = _count(file.lines)
    if count < least:
        message = f"There are {count:,} assertions here, and no side has fewer than {least:,}."
        yield _finding(file, message, None)
    for number, line in file.made(LineOrigin.NEW, LineOrigin.RECOMBINED):
        start = line[:_EXAMINED]
        if _COMMENT.match(start):
            continue
        if _SKIPS.search(start):
            yield _finding(file, "This skips a test or singles one out, and neither side has it.", (number, number))
        elif _EMPTY.search(start):
            yield _finding(file, "This assertion is always true, and neither side has it.", (number, number))


def _gone(file: TracedFile, sides: Iterable[bytes]) -> Iterator[Finding]:
    """Tests of both sides that the result has not, or not as often."""
    wanted: Counter[str] | None = None
    for side in sides:
        names = _names(lines_of(side))
        wanted = names if wanted is None else wanted & names
    for name in (wanted or Counter()) - _names(file.lines):
        yield _finding(file, f"The test `{name[:60]}` is on every side, and not in the result.", None)


def _names(lines: Iterable[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in map(_decoded, lines):
        if not _COMMENT.match(line):
            found.update("".join(groups) for groups in _TESTS.findall(line))
    return found


def _count(lines: Iterable[bytes]) -> int:
    return sum(1 for line in map(_decoded, lines) if not _COMMENT.match(line) and _ASSERTS.search(line))


def _decoded(line: bytes) -> str:
    return plain(line[:_EXAMINED])


def _finding(file: TracedFile, message: str, lines: tuple[int, int] | None) -> Finding:
    return Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=file.path, message=message, lines=lines)
