"""Small questions about conflicts of our own making."""

import difflib
from collections.abc import Mapping
from dataclasses import replace

from bot.direct.late import LateDirect
from bot.merge.markers import parse_marked
from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import MARKER_SIZE, ConflictKind
from bot.model.direct import DirectLimits, DirectQuestion, MergeContext
from bot.model.resolutions import Confidence, HunkAnswer, SideTexts, Tier
from bot.model.runs import Usage

MODEL = "claude-sonnet-5-5"

LIMITS = DirectLimits(
    max_hunks=8, max_input_tokens=20_000, max_output_tokens=2_000, budget_usd=1.0, timeout_seconds=20.0
)

CONTEXT = MergeContext(
    title="Greet in upper case",
    body="Guests asked for it.\r\n\r\nCloses #7.",
    head="louder",
    base="main",
    ours_subjects=("Shout", "Test the shouting"),
    theirs_subjects=("Say the name",),
    instructions="Keep the tests of both sides.",
)

ANCESTOR = """\
import sys

GREETING = "hello"


def greet(name: str) -> str:
    return GREETING


def main() -> None:
    print(greet(sys.argv[1]))


LAST = "bye"
"""
OURS = ANCESTOR.replace("return GREETING", "return GREETING.upper()").replace('"bye"', '"BYE"')
THEIRS = ANCESTOR.replace("return GREETING", 'return f"{GREETING}, {name}"').replace('"bye"', '"bye bye"')
MERGED = ANCESTOR.replace("return GREETING", 'return f"{GREETING}, {name}".upper()').replace('"bye"', '"BYE BYE"')


def price(model: str, usage: Usage) -> float:
    """One dollar per million of any token."""
    assert model
    return (usage.input_tokens + usage.output_tokens + usage.cache_write_tokens + usage.cache_read_tokens) / 1_000_000


def direct() -> LateDirect:
    return LateDirect(price=price)


def question(*files: FileProgress, limits: DirectLimits = LIMITS, context: MergeContext = CONTEXT) -> DirectQuestion:
    return DirectQuestion(model=MODEL, files=files or (progress(),), context=context, limits=limits)


def progress(
    path: str = "src/hello.py",
    *,
    ancestor: str | bytes = ANCESTOR,
    ours: str | bytes = OURS,
    theirs: str | bytes = THEIRS,
    settled: Mapping[int, bytes] | None = None,
    candidates: Mapping[int, bytes] | None = None,
) -> FileProgress:
    """A file with a hunk wherever all sides have as many lines and differ: lines are matched by their numbers."""
    sides = SideTexts(ancestor=_bytes(ancestor), ours=_bytes(ours), theirs=_bytes(theirs))
    case = FileCase(
        path=path, kind=ConflictKind.CONTENT, stages={}, sides=sides, marked=parse_marked(path, _marked(sides))
    )
    return FileProgress(
        case=case,
        settled={index: _answer(index, text, Tier.A) for index, text in (settled or {}).items()},
        candidates={index: (_answer(index, text, Tier.B),) for index, text in (candidates or {}).items()},
    )


def limits(
    *, max_hunks: int = 8, max_input_tokens: int = 20_000, budget_usd: float = 1.0, timeout_seconds: float = 20.0
) -> DirectLimits:
    return replace(
        LIMITS,
        max_hunks=max_hunks,
        max_input_tokens=max_input_tokens,
        budget_usd=budget_usd,
        timeout_seconds=timeout_seconds,
    )


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _answer(index: int, content: bytes, tier: Tier) -> HunkAnswer:
    return HunkAnswer(
        index=index,
        content=content,
        resolver="union",
        tier=tier,
        reason="Both sides only added lines.",
        confidence=Confidence.LOW,
    )


def _marked(sides: SideTexts) -> bytes:
    """What git would leave, for sides that change the same lines of the ancestor."""
    ancestor, ours, theirs = (
        text.splitlines(keepends=True) for text in ((sides.ancestor or b""), (sides.ours or b""), (sides.theirs or b""))
    )
    end = b"\r\n" if ours and ours[0].endswith(b"\r\n") else b"\n"
    out: list[bytes] = []
    at = 0
    for kind, start, stop, first, last in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            out += ours[start:stop]
            at += stop - start
            continue
        size = max(stop - start, last - first) if len(ancestor) == len(ours) == len(theirs) else 0
        out += [b"<" * MARKER_SIZE, b" ours", end, *map(_whole, ours[start:stop])]
        out += [b"|" * MARKER_SIZE, b" base", end, *map(_whole, ancestor[at : at + size])]
        out += [b"=" * MARKER_SIZE, end, *map(_whole, theirs[first:last])]
        out += [b">" * MARKER_SIZE, b" theirs", end]
        at += size
    return b"".join(out)


def _whole(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"
