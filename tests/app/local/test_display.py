"""What a terminal shows, to the letter; and that nothing of somebody else's reaches it as it is."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.local.display import Display, harmless
from app.local.outcome import (
    HunkOutcome,
    PathOutcome,
    Progress,
    Remerge,
    ResolveOutcome,
    SideNames,
    Status,
    Tooled,
    VerifyOutcome,
    Written,
)
from bot.model.cases import Choice, Suggestion
from bot.model.conflicts import ConflictKind, Hunk
from bot.model.resolutions import (
    Confidence,
    Finding,
    GateResult,
    GateVerdict,
    HunkAnswer,
    LineOrigin,
    ProvenanceSpan,
    Tier,
)
from bot.model.runs import Usage
from tests.conftest import Golden

HOSTILE = "\x1b]0;owned\x07[bold]red[/] \u202egnp.exe \u200b\ud83d"


def answer(
    content: bytes, resolver: str = "version", tier: Tier = Tier.A, reason: str = "The larger wins."
) -> HunkAnswer:
    return HunkAnswer(index=0, content=content, resolver=resolver, tier=tier, reason=reason, confidence=Confidence.HIGH)


def hunk(index: int, state: Progress, found: HunkAnswer | None, *origins: LineOrigin, reason: str = "") -> HunkOutcome:
    return HunkOutcome(
        hunk=Hunk(index=index, first_line=1, last_line=2, ours=b"one\n", ancestor=b"", theirs=b"two\n\tthree\r\n"),
        ours=(4 + index, 1),
        theirs=(4 + index, 2),
        state=state,
        answer=found,
        provenance=tuple(ProvenanceSpan(first=n, last=n, origin=origin) for n, origin in enumerate(origins, start=1)),
        reason=reason,
    )


def path(name: str, kind: ConflictKind, state: Progress, *hunks: HunkOutcome) -> PathOutcome:
    return PathOutcome(path=name, kind=kind, stages={}, state=state, hunks=hunks)


LATE = answer(b"both\nours\ntheirs\nmixed\nnew\n", "direct", Tier.DIRECT, f"It {HOSTILE} does.")
PATHS = (
    path(
        "setup.cfg",
        ConflictKind.CONTENT,
        Progress.RESOLVED,
        hunk(0, Progress.RESOLVED, answer(b"one\n"), LineOrigin.OURS),
        hunk(1, Progress.RESOLVED, LATE, *LineOrigin),
        hunk(2, Progress.RESOLVED, answer(b"")),
    ),
    path(
        f"src/{HOSTILE}.py",
        ConflictKind.ADD_ADD,
        Progress.OPEN,
        replace(
            hunk(
                0,
                Progress.PROPOSED,
                answer(b"two\n", "tokens", Tier.B),
                LineOrigin.THEIRS,
                reason="No rule settles this.",
            ),
            others=(
                answer(b"one\ntwo\n", "union", Tier.B, "Both entries."),
                answer(HOSTILE.encode("utf-8", "surrogatepass"), "both", Tier.B, f"Both {HOSTILE}."),
            ),
        ),
        hunk(1, Progress.OPEN, None, reason=HOSTILE),
    ),
    replace(
        path("old.txt", ConflictKind.MODIFY_DELETE, Progress.OPEN),
        reason="A modify/delete conflict is for a person to decide.",
        suggestion=Suggestion(choice=Choice.DELETE, reason="People leave it deleted."),
        command="git rm -- old.txt",
    ),
    replace(path("mine.txt", ConflictKind.CONTENT, Progress.RESOLVED), by_hand=True),
)
GATE = GateResult(
    verdict=GateVerdict.NEEDS_PERSON,
    findings=(
        Finding(check="syntax", verdict=GateVerdict.PASS, path="setup.cfg", message="Not parsed: no grammar."),
        Finding(check="unicode", verdict=GateVerdict.NEEDS_PERSON, path=HOSTILE, message=HOSTILE, lines=(3, 4)),
        Finding(check="markers", verdict=GateVerdict.REFUSED, path="", message="A marker."),
    ),
    checks=("syntax", "unicode", "markers"),
)
OUTCOME = ResolveOutcome(
    ours="a" * 40,
    theirs="b" * 40,
    names=SideNames(ours="main (aaaaaaaaaa), where you are", theirs=f"{HOSTILE} (bbbbbbbbbb)"),
    merge_bases=("c" * 40,),
    status=Status.PARTIAL,
    tree=None,
    paths=PATHS,
    gate=GATE,
    usage=Usage(model_calls=2, cost_usd=0.0123),
    notes=("The model could not be asked: it is away.",),
)


def shown(outcome: ResolveOutcome | VerifyOutcome, *, color: bool = False) -> str:
    stream = io.StringIO()
    display = Display(Console(file=stream, width=80, force_terminal=color, color_system="standard" if color else None))
    if isinstance(outcome, ResolveOutcome):
        display.resolve(outcome)
    else:
        display.verify(outcome)
    return stream.getvalue()


def test_a_resolution(golden: Golden) -> None:
    golden.check("local/resolve.txt", shown(OUTCOME))


def test_a_clean_merge(golden: Golden) -> None:
    clean = replace(OUTCOME, status=Status.CLEAN, paths=(), notes=(), usage=Usage())
    golden.check("local/clean.txt", shown(clean))


def test_a_verified_commit(golden: Golden) -> None:
    verified = VerifyOutcome(
        commit="d" * 40,
        parents=("a" * 40, "b" * 40),
        remerge=Remerge.CONFLICTED,
        conflicts=(("setup.cfg", ConflictKind.CONTENT), (HOSTILE, ConflictKind.BINARY)),
        gate=GATE,
    )
    golden.check("local/verify.txt", shown(verified))


def test_what_was_written(golden: Golden) -> None:
    stream = io.StringIO()
    display = Display(Console(file=stream, width=80))
    display.written(
        Written(staged=("a.txt", HOSTILE), prepared=("b.txt",), left=("c.txt",), then="git merge --continue")
    )
    display.tooled(Tooled(hunks=3, settled=2, findings=GATE.findings[1:]))
    golden.check("local/written.txt", stream.getvalue())


def test_no_escape_but_our_own_colors_reaches_the_terminal() -> None:
    colored = shown(OUTCOME, color=True)
    assert "\x1b[" in colored
    assert "\x1b]0" not in colored
    assert "[bold]red[/]" in colored
    assert "\u202e" not in colored


def test_a_long_text_is_cut() -> None:
    long = hunk(0, Progress.RESOLVED, answer(b"x\n" * 10_000), *[LineOrigin.BOTH] * 3)
    text = shown(replace(OUTCOME, paths=(path("a", ConflictKind.CONTENT, Progress.RESOLVED, long),)))
    assert text.count("│ x") == 60
    assert "… and 9940 more lines" in text


@given(st.text(max_size=50))
def test_harmless_text_is_one_visible_line(text: str) -> None:
    found = harmless(text)
    assert found.isprintable()
    assert len(found.splitlines()) <= 1
    found.encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [("\x1b[2J", "\\x1b[2J"), ("a\nb", "a\\nb"), ("\udcff", "\\xff"), ("\u2066", "\\u2066"), ("é\t", "é    ")],
)
def test_what_cannot_be_seen_is_written_out(text: str, said: str) -> None:
    assert harmless(text) == said
