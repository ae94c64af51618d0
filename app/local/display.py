r"""What ``flowforge resolve`` and ``flowforge verify`` show in a terminal.

Whatever comes from a repository or a model is hostile: it is printed as text, never as markup, and what could drive
the terminal or hide from the reader is written out (``\x1b``, ``\u202e``).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

from app.local.outcome import (
    HunkOutcome,
    PathOutcome,
    Progress,
    ResolveOutcome,
    Status,
    Tooled,
    VerifyOutcome,
    Written,
)
from bot.model.characters import is_hidden
from bot.model.resolutions import Finding, GateResult, GateVerdict, HunkAnswer, LineOrigin, ProvenanceSpan

_MAX_LINES: Final = 60
"""Lines shown of one text; a file of a million lines would hide everything else."""

_MAX_WIDTH: Final = 400
_MAX_WORDS: Final = 2_000

_SHORT: Final = 10
"""Digits of an object id that are shown."""

_STATE: Final[Mapping[Progress, tuple[str, str]]] = {
    Progress.RESOLVED: ("✓", "green"),
    Progress.PROPOSED: ("?", "yellow"),
    Progress.OPEN: ("!", "red"),
}
_VERDICT: Final[Mapping[GateVerdict, tuple[str, str]]] = {
    GateVerdict.PASS: ("passes", "green"),
    GateVerdict.NEEDS_PERSON: ("needs a person", "yellow"),
    GateVerdict.REFUSED: ("refused", "red"),
}
_ORIGIN: Final[Mapping[LineOrigin, str]] = {
    LineOrigin.BOTH: "dim",
    LineOrigin.OURS: "cyan",
    LineOrigin.THEIRS: "magenta",
    LineOrigin.RECOMBINED: "yellow",
    LineOrigin.NEW: "bold red",
}
_NOT_APPLIED: Final[Mapping[Progress, str]] = {
    Progress.PROPOSED: "a candidate, which is not applied:",
    Progress.OPEN: "the answer, which is not applied:",
}
_MARGIN: Final = max(len(origin.value) for origin in LineOrigin)


def harmless(text: str, *, limit: int = _MAX_WIDTH) -> str:
    """Text of somebody else's in one line: what cannot be seen is written out, and it is not too long."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(_shown(char) for char in cut)


def _shown(char: str) -> str:
    if char == "\t":
        return "    "
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) & 0xFF:02x}"
    return char if char.isprintable() and not is_hidden(char) else char.encode("unicode_escape").decode("ascii")


class Display:
    """Draws to one console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def resolve(self, outcome: ResolveOutcome) -> None:
        """All hunks with reason and provenance, what the checks found, and the sum of it."""
        self._line(f"ours    {harmless(outcome.names.ours)}", "bold")
        self._line(f"theirs  {harmless(outcome.names.theirs)}", "bold")
        if outcome.status is Status.CLEAN:
            self._line("The two merge without conflict.", "green")
        for path in outcome.paths:
            self._path(path)
        if outcome.paths:
            self._line("")
            self._gate(outcome.gate)
            self._line(_sum(outcome.paths), "bold")
        if outcome.usage.model_calls:
            usage = outcome.usage
            self._line(f"Model calls: {usage.model_calls}, {usage.cost_usd:.4f} USD.")
        for note in outcome.notes:
            self._line(harmless(note, limit=_MAX_WORDS))

    def verify(self, outcome: VerifyOutcome) -> None:
        """What git says of the parents, what the checks found, and the verdict."""
        first, second = outcome.parents
        self._line(f"commit  {outcome.commit}", "bold")
        self._line(f"merges  {first[:_SHORT]} and {second[:_SHORT]}: {outcome.remerge.value}")
        for path, kind in outcome.conflicts:
            self._line(f"  {harmless(path)} · {kind.value}")
        self._gate(outcome.gate)

    def written(self, written: Written) -> None:
        """What became of which file, and what is left to do."""
        for path in written.staged:
            self._line(f"written and staged: {harmless(path, limit=_MAX_WORDS)}")
        for path in written.prepared:
            self._line(f"written, markers are left in it: {harmless(path, limit=_MAX_WORDS)}")
        for path in written.left:
            self._line(f"not written, it is not as it was looked at: {harmless(path, limit=_MAX_WORDS)}")
        self._line(f"When nothing is open any more: {written.then}")

    def tooled(self, tooled: Tooled) -> None:
        """What became of one file."""
        for finding in tooled.findings:
            self._finding(finding)
        self._line(f"{tooled.settled} of {tooled.hunks} hunks resolved.")

    def say(self, sentence: str) -> None:
        """One sentence of our own, with nothing of anybody else's in it."""
        self._line(sentence)

    def _path(self, path: PathOutcome) -> None:
        sign, color = _STATE[path.state]
        settled = sum(hunk.state is Progress.RESOLVED for hunk in path.hunks)
        count = f" · {settled} of {len(path.hunks)} hunks resolved" if path.hunks else ""
        hand = " · settled by you, left alone" if path.by_hand else ""
        self._line("")
        self._line(f"{sign} {harmless(path.path, limit=_MAX_WORDS)} · {path.kind.value}{count}{hand}", f"bold {color}")
        if path.reason:
            self._line(f"    {harmless(path.reason, limit=_MAX_WORDS)}")
        if path.suggestion is not None:
            choice, reason = path.suggestion.choice.value, harmless(path.suggestion.reason, limit=_MAX_WORDS)
            self._line(f"    suggestion: take {choice}. {reason}")
        if path.command:
            self._line(f"    command: {path.command}")
        for hunk in path.hunks:
            self._hunk(hunk, len(path.hunks))

    def _hunk(self, hunk: HunkOutcome, total: int) -> None:
        sign, color = _STATE[hunk.state]
        where = f"ours {_lines(*hunk.ours)}, theirs {_lines(*hunk.theirs)}"
        self._line(f"  {sign} hunk {hunk.hunk.index + 1} of {total} · {where} · {_who(hunk)}", color)
        if hunk.reason:
            self._line(f"    {harmless(hunk.reason, limit=_MAX_WORDS)}")
        if hunk.answer is not None and hunk.answer.reason != hunk.reason:
            self._line(f"    {harmless(hunk.answer.reason, limit=_MAX_WORDS)}")
        if hunk.answer is None or hunk.state is not Progress.RESOLVED:
            self._text(hunk.hunk.ours, [LineOrigin.OURS])
            self._text(hunk.hunk.theirs, [LineOrigin.THEIRS])
        if hunk.answer is not None:
            if hunk.state is not Progress.RESOLVED:
                self._line(f"    {_NOT_APPLIED[hunk.state]}")
            self._text(hunk.answer.content, list(_origins(hunk.provenance)))
        for other in hunk.others:
            self._line(f"    another candidate · {_from(other)}")
            self._line(f"    {harmless(other.reason, limit=_MAX_WORDS)}")
            self._text(other.content, [])

    def _text(self, content: bytes, origins: Sequence[LineOrigin]) -> None:
        """Lines with their origins in the margin; the last origin holds for the lines that are left."""
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        if lines[-1] == "":
            lines.pop()
        if not lines:
            self._line(
                f"    {'':{_MARGIN}} │ (nothing)" if not origins else f"    {origins[0]:{_MARGIN}} │ (nothing)", "dim"
            )
        for number, line in enumerate(lines[:_MAX_LINES]):
            origin = origins[min(number, len(origins) - 1)] if origins else None
            margin = "" if origin is None else origin.value
            self._line(f"    {margin:{_MARGIN}} │ {harmless(line)}", "" if origin is None else _ORIGIN[origin])
        if len(lines) > _MAX_LINES:
            self._line(f"    {'':{_MARGIN}} │ … and {len(lines) - _MAX_LINES} more lines", "dim")

    def _gate(self, gate: GateResult) -> None:
        for finding in gate.findings:
            self._finding(finding)
        word, color = _VERDICT[gate.verdict]
        self._line(f"Checks: {word} ({', '.join(gate.checks)})", color)

    def _finding(self, finding: Finding) -> None:
        word, color = _VERDICT[finding.verdict]
        if finding.verdict is GateVerdict.PASS:
            word, color = "note", "dim"
        first, last = finding.lines or (0, 0)
        lines = f":{first}-{last}" if last > first else f":{first}" if first else ""
        where = f" {harmless(finding.path, limit=_MAX_WORDS)}{lines}" if finding.path else ""
        self._line(f"{word} · {finding.check}{where}: {harmless(finding.message, limit=_MAX_WORDS)}", color)

    def _line(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=Style.parse(style)), soft_wrap=True)


def _sum(paths: Sequence[PathOutcome]) -> str:
    settled = sum(path.state is Progress.RESOLVED for path in paths)
    proposed = sum(path.state is Progress.PROPOSED for path in paths)
    left = len(paths) - settled - proposed
    parts = [f"{settled} of {len(paths)} conflicted files resolved"]
    parts += [f"{proposed} with proposals"] if proposed else []
    parts += [f"{left} open"] if left else []
    return ", ".join(parts) + "."


def _lines(first: int, count: int) -> str:
    if not count:
        return f"nothing before {first}"
    return f"{first}" if count == 1 else f"{first}-{first + count - 1}"


def _who(hunk: HunkOutcome) -> str:
    if hunk.answer is None:
        return hunk.state.value
    return f"{hunk.state.value} · {_from(hunk.answer)}"


def _from(answer: HunkAnswer) -> str:
    return f"{answer.resolver}, tier {answer.tier.value}, confidence {answer.confidence.value}"


def _origins(spans: Sequence[ProvenanceSpan]) -> Iterator[LineOrigin]:
    for span in spans:
        for _ in range(span.first, min(span.last, _MAX_LINES) + 1):
            yield span.origin
