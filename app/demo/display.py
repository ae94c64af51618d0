"""What the demo shows in a terminal."""

import contextlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from app.demo.hosts import ShownCheck
from app.demo.steps import MEANING, Progress, Step
from app.demo.story import Scene

_FOLD: Final = re.compile(r"^<details>\n<summary>(.*)</summary>$", re.MULTILINE)
_FOLD_END: Final = re.compile(r"^</details>$", re.MULTILINE)


def plain(text: str) -> str:
    """``text`` without what could drive a terminal: control and format characters other than line ends and tabs."""
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def unfolded(comment: str) -> str:
    """A comment with its folds open: a terminal cannot fold, and rich leaves HTML out.

    An HTML comment takes the place of a fold's end, so that a list in it does not run on into one that follows.
    """
    return _FOLD.sub(r"**\1**", _FOLD_END.sub("<!-- -->", comment))


class Display:
    """Draws to one console: standard output for people, standard error when standard output is for JSON."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def opening(
        self, *, forge: str, model: str, claude_code: str, directory: str, sandboxes: str, database: str
    ) -> None:
        """The first lines: what is real and what is simulated; ``model`` is markup.

        ``forge`` is the product that is simulated; ``sandboxes`` is where runs are executed, empty where they have
        none; ``database`` is where the rows are.
        """
        self.console.print("[bold]FlowForge demo[/]")
        self.console.print(f"  model    {model}")
        self.console.print(f"  forge    [bold]a simulated {forge}[/] on loopback, with real git repositories")
        where = f"in {escape(sandboxes)}" if sandboxes else "as a child process (development only)"
        self.console.print(f"  agent    the real Claude Code {claude_code}, {where}")
        self.console.print(f"  rows     {escape(database)}")
        self.console.print(f"  files    {directory}")
        self.console.print()

    @contextlib.contextmanager
    def watching(self, progress: Progress, steps: Sequence[Step]) -> Iterator[None]:
        """Keep the list of ``steps`` up to date while the block runs."""
        with Live(
            get_renderable=lambda: _steps(progress, steps),
            console=self.console,
            refresh_per_second=8,
            transient=False,
        ):
            yield

    def proposal(self, scene: Scene) -> None:
        """The check run and the sticky comment, as a person sees them."""
        check = scene.check
        mark = _mark(check)
        title = "" if check is None else escape(plain(check.title))
        self.console.print(Panel(f"{mark} [bold]FlowForge[/] — {title}", title="status"))
        self.console.print(Panel(Markdown(unfolded(plain(scene.comment))), title="comment on the pull request"))

    def refusal(self, scene: Scene, message: str) -> None:
        """The report of a job that ended without a proposal."""
        self.proposal(scene)
        self.console.print(f"[bold]No proposal:[/] {escape(plain(message))}")

    def closing(self, scene: Scene, *, kept: str | None) -> None:
        """What happened to the pull request's head."""
        table = Table(show_header=False, box=None)
        for what, sha in (
            ("head before", scene.head_before),
            ("head after approval", scene.head_after_approve),
            ("head after rollback", scene.head_after_rollback),
        ):
            if sha is not None:
                table.add_row(what, sha)
        self.console.print(table)
        if kept is not None:
            self.console.print(f"Everything was left in {kept}")


def _mark(check: ShownCheck | None) -> str:
    if check is not None and check.waits:
        return "[yellow]●[/]"
    well = check is not None and "success" in {check.status, check.conclusion}
    return "[green]✓[/]" if well else "[red]✗[/]"


def _steps(progress: Progress, steps: Sequence[Step]) -> Group:
    table = Table(show_header=False, box=None, padding=(0, 1))
    waiting = True
    for step in steps:
        at = progress.reached.get(step)
        if step in progress.not_needed:
            table.add_row("[green]-[/]", f"[dim]{step.value}[/]", "[dim]not needed: no conflict was left for it[/]", "")
        elif at is not None:
            table.add_row("[green]✓[/]", step.value, MEANING[step], f"{at:,} ms")
        elif waiting:
            table.add_row(Spinner("dots"), step.value, MEANING[step], "")
            waiting = False
        else:
            table.add_row(" ", f"[dim]{step.value}[/]", f"[dim]{MEANING[step]}[/]", "")
    line = Text(progress.line if Step.PROPOSED not in progress.reached else "", style="dim", overflow="ellipsis")
    return Group(table, line)
