"""The report for people. What others said is printed as text, never as markup, and without control characters."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.doctor.model import Check, State
from app.local.display import harmless
from bot.model.forge import ForgeKind

_MAX_WORDS: Final = 1_000
_SIGNS: Final[Mapping[State, tuple[str, str]]] = {
    State.OK: ("ok", "green"),
    State.WARNING: ("warning", "yellow"),
    State.FAILED: ("failed", "bold red"),
    State.SKIPPED: ("skipped", "dim"),
}


def show(console: Console, checks: Sequence[Check]) -> None:
    """Draw all checks, and the sum of them."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        sign, style = _SIGNS[check.state]
        table.add_row(Text(sign, style), Text(_name(check)), _words(check))
    console.print(table)
    console.print(Text(_sum(checks), "bold"))


def _name(check: Check) -> str:
    """The check's name, with its forge's where that is not told by the check alone."""
    return check.name if check.forge in {"", ForgeKind.GITHUB} else f"{check.name} ({check.forge})"


def _words(check: Check) -> Text:
    words = Text("\n".join(harmless(line, limit=_MAX_WORDS) for line in check.says.splitlines()))
    if check.todo:
        words.append(f"\n{harmless(check.todo, limit=_MAX_WORDS)}", "italic")
    return words


def _sum(checks: Sequence[Check]) -> str:
    counts = {state: sum(check.state is state for check in checks) for state in State}
    said = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    return f"{said}."
