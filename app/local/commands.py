"""The commands that work in any clone, with no service running: ``resolve``, ``verify`` and ``mergetool``.

Their exit codes are a contract: 0 all resolved or passed, 2 some left to a person, 3 refused by the checks, 1 an error,
a wrong use of the command included.
"""

import asyncio
import re
import sys
from collections.abc import Coroutine
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, NoReturn

import rich_click as click
from rich.console import Console

from app.gateway.prices import load_prices
from app.local.apply import apply, begin_merge
from app.local.asking import ModelPart
from app.local.begin import merge_of, merge_under_way
from app.local.display import Display
from app.local.document import printed, resolve_document, verify_document
from app.local.merge import Merge
from app.local.mergetool import mergetool as run_mergetool
from app.local.outcome import EXIT_OF_STATUS, EXIT_OF_VERDICT, ResolveOutcome, Status, Written
from app.local.resolve import Resolved
from app.local.resolve import resolve as run_resolve
from app.local.using import ERROR, Command, WrongUseError, complain
from app.local.verify import verify as run_verify
from app.settings_of_tools import LocalSettings
from bot.config_keys import MAX_BUDGET_USD, MODEL_PATTERN
from bot.direct.late import LateDirect
from bot.errors import BadInputError, FlowForgeError, GitError
from bot.git.clone import LocalClone, open_clone
from bot.model.direct import ModelAccess

_DEFAULT_BUDGET_USD: Final = 1.0

_NO_KEY: Final = "ANTHROPIC_API_KEY is not set: rules only."
"""Said where a model could have been asked about something that is left."""


@click.command(cls=Command)
@click.option("--theirs", metavar="REF", help="What to merge into HEAD; not needed while a merge is under way.")
@click.option("--rules-only", is_flag=True, help="Ask no model, contact nothing.")
@click.option("--model", metavar="NAME", help="The model to ask about what no rule settles.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True, max=MAX_BUDGET_USD),
    default=_DEFAULT_BUDGET_USD,
    show_default=True,
    help="The most that the model may cost, in US dollars.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; objects are written, nothing else.")
@click.option("--yes", is_flag=True, help="Write the result without asking.")
def resolve(
    *, theirs: str | None, rules_only: bool, model: str | None, budget: float, as_json: bool, yes: bool
) -> None:
    """Resolve the conflicts of a merge, rebase or cherry-pick in this clone, and show what each resolution is worth.

    Nothing is written before you say yes. Exit status: 0 all resolved, 2 some left, 3 refused, 1 an error.
    """
    if as_json and yes:
        raise WrongUseError("--json writes no files, so there is nothing to say --yes to.")
    if model is not None and not re.fullmatch(MODEL_PATTERN, model):
        raise WrongUseError("--model is not the name of a model.")
    part, note = (None, "") if rules_only else _model_part(model, budget)
    _end(_resolve(theirs, part, note, as_json=as_json, yes=yes))


@click.command(cls=Command)
@click.argument("commit", required=False)
@click.option("--proposal", type=click.IntRange(min=1), metavar="N", help="The newest branch flowforge/N-… instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(*, commit: str | None, proposal: int | None, as_json: bool) -> None:
    """Prove a merge commit, whoever made it: merge its parents again and look at every difference.

    Exit status: 0 passes, 2 needs a person, 3 refused, 1 an error.
    """
    if (commit is None) == (proposal is None):
        raise WrongUseError("Name one commit, or one proposal.")
    _end(_verify(commit, proposal, as_json=as_json))


_PLACE: Final = click.Path(path_type=Path)


@click.command(cls=Command)
@click.argument("base", type=_PLACE)
@click.argument("local", type=_PLACE)
@click.argument("remote", type=_PLACE)
@click.argument("merged", type=_PLACE)
def mergetool(*, base: Path, local: Path, remote: Path, merged: Path) -> None:
    """Resolve one file by rules, for `git mergetool`. Exit status: 0 when all of it is resolved, else 1."""
    _end(_mergetool(base, local, remote, merged))


def _end(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its exit status; an error of ours, or the machine's, is a sentence."""
    try:
        status = asyncio.run(work)
    except FlowForgeError as error:
        complain(str(error))
    except OSError as error:
        complain(f"{error.strerror or error}")
    sys.exit(status)


def _display() -> Display:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal need not know every character
    return Display(Console(highlight=False, markup=False, emoji=False))


def _model_part(model: str | None, budget: float) -> tuple[ModelPart | None, str]:
    """What may be asked, or why nothing is."""
    settings = LocalSettings()
    if settings.key is None:
        return None, _NO_KEY
    access = ModelAccess(base_url=settings.anthropic_base_url, api_key=settings.key)
    direct = LateDirect(price=load_prices().price_of)
    return ModelPart(direct=direct, access=access, model=model or settings.model, budget_usd=budget), ""


async def _resolve(theirs: str | None, model: ModelPart | None, note: str, *, as_json: bool, yes: bool) -> int:
    async with open_clone(Path.cwd()) as clone:
        merge = await (merge_under_way(clone) if theirs is None else merge_of(clone, theirs))
        resolved = await run_resolve(clone, merge, model=model)
        outcome = resolved.outcome
        if as_json:
            await clone.store(_objects(outcome))
            click.echo(printed(resolve_document(outcome)))
            return EXIT_OF_STATUS[outcome.status]
        display = _display()
        display.resolve(outcome)
        if note and any(path.could_be_asked_about for path in outcome.paths):
            display.say(note)
        if not any(file.settled for file in resolved.files.values()):
            return EXIT_OF_STATUS[outcome.status]
        if not (yes or _confirmed()):
            display.say("Nothing was written.")
            return EXIT_OF_STATUS[outcome.status]
        written = await _write(clone, merge, resolved, theirs)
        display.written(written)
        return EXIT_OF_STATUS[Status.PARTIAL if written.left else outcome.status]


async def _write(clone: LocalClone, merge: Merge, resolved: Resolved, theirs: str | None) -> Written:
    """Write it; a merge that nobody has begun is begun first."""
    if theirs is None:
        return await apply(clone, merge, resolved.files)
    begun = await begin_merge(clone, merge, theirs)
    try:
        return await apply(clone, begun, resolved.files)
    except GitError as error:
        raise GitError(f"{error}\nThe merge has begun; `git merge --abort` takes it back.") from error


def _objects(outcome: ResolveOutcome) -> list[str]:
    """What a caller of ``--json`` reads from the clone."""
    blobs = [path.blob for path in outcome.paths if path.blob is not None]
    return blobs if outcome.tree is None else [*blobs, outcome.tree]


def _confirmed() -> bool:
    """What the person says; nobody is asked where nobody sits."""
    if not sys.stdin.isatty():
        click.echo("There is no terminal to ask at; --yes writes the result.", err=True)
        return False
    return click.confirm("Write this?", default=False)


async def _verify(commit: str | None, proposal: int | None, *, as_json: bool) -> int:
    async with open_clone(Path.cwd()) as clone:
        outcome = await run_verify(clone, commit if commit is not None else await _newest(clone, proposal))
        if as_json:
            click.echo(printed(verify_document(outcome)))
        else:
            _display().verify(outcome)
        return EXIT_OF_VERDICT[outcome.gate.verdict]


async def _newest(clone: LocalClone, proposal: int | None) -> str:
    """The newest branch that carries a proposal for a pull request, here or as last fetched."""
    branch = f"flowforge/{proposal}-*"
    found = await clone.newest(f"refs/heads/{branch}", f"refs/remotes/*/{branch}")
    if found is None:
        raise BadInputError(f"There is no branch {branch} in this clone; fetch it first.")
    return found


async def _mergetool(base: Path, local: Path, remote: Path, merged: Path) -> int:
    tooled = await run_mergetool(base, local, remote, merged)
    _display().tooled(tooled)
    return 0 if tooled.done else ERROR
