"""Events into intents: what somebody, or the course of things, asks of the bot.

Pure: nothing is looked up. Whether an intent is allowed is for ``bot.policy``, with live facts.
"""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypedDict, assert_never

from bot.command_parser import Parsed, added_commands, fault_message, parse_comment
from bot.command_words import CommandFault, ParsedCommand
from bot.commands import BY_NAME, PREFIX, CommandName, Place
from bot.model.cases import Choice
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckActionRequested,
    CheckFailed,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    DecidedOnPage,
    Event,
    InstallationChanged,
    LabelAdded,
    PageDecision,
    Pinged,
    PullRequestChanged,
    Reacted,
    Unused,
)
from bot.model.forge import ThreadKind
from bot.model.ids import offered_in, page_key, parse_external_id, parse_watch_id
from bot.model.intents import (
    Approve,
    Cancel,
    Explain,
    Fix,
    Go,
    Help,
    Implement,
    Intent,
    Misspelt,
    Ok,
    Origin,
    PauseHere,
    Plan,
    Reject,
    Resolve,
    ResumeHere,
    Retry,
    Rollback,
    ShowConfig,
    Status,
    Strategy,
    TakeSide,
)
from bot.model.reports import CheckActionName
from bot.model.work import SeenText

_TAKES: Final[Mapping[str, Choice]] = MappingProxyType(
    {
        CheckActionName.TAKE_OURS: Choice.OURS,
        CheckActionName.TAKE_THEIRS: Choice.THEIRS,
        CheckActionName.TAKE_DELETE: Choice.DELETE,
    },
)
"""What a button takes for the only open conflict."""

APPROVING_EMOJI: Final = "rocket"
"""One that nobody gives in passing, as thanks are: what it approves is pushed."""

QUOTED_CHARACTERS: Final = 300
"""How much of a command's line an intent keeps for the answer."""


def intents_of(  # noqa: PLR0911 - one return for every kind
    event: Event, *, mention: str, digest: str
) -> list[Intent]:
    """What an event asks for; ``mention`` is the bot's login, ``digest`` of the body that told of the event.

    The keys that make each intent run once:

    * comments: ``<forge>:comment:<comment id>:<first 16 digits of the body's SHA-256>:<ordinal>``
    * emoji: ``<forge>:emoji:<comment id>:<reaction id>``
    * clicks: ``<forge>:click:<check run id>:<action>:<delivery id>``
    * the approval page: ``<forge>:page:<action id>``
    * labels and assignments: ``<forge>:mark:<repository id>#<number>:<digest>``

    A click has no id of its own; its delivery has, the same however often it is sent. Two clicks on one button are two
    deliveries, and two intents. So are a label that was put on, taken off and put on: their bodies say when it was.
    Nobody signs the id of a delivery of GitHub, so what does not depend on it cannot be told again under another one.

    Whether a comment with an emoji is ours, a label the one that the repository chose, and an assignee the bot, is for
    the caller to see first (``bot.handlers.marks``).

    The intents of clicks and of the page have ``origin.number`` 0 and ``origin.job_id`` instead: the handler looks the
    job up. Only the conflict watch's check run, which belongs to no job, names its pull request.
    """
    match event:
        case CommentPosted():
            return _of_comment(event, parse_comment(event.body, mention=mention))
        case CommentEdited():
            return _of_comment(event, added_commands(event.body_before, event.body, mention=mention))
        case CheckActionRequested():
            return _of_click(event, event.action)
        case CheckRerequested():
            return _of_click(event, "rerequested")
        case DecidedOnPage():
            return [_of_page(event)]
        case LabelAdded() | Assigned():
            return _of_mark(event, digest)
        case Reacted():
            return _of_emoji(event)
        # Nobody asks for anything: what became of branches and checks is looked at again, by levels.
        case PullRequestChanged() | BranchPushed() | CheckFailed() | InstallationChanged() | Pinged() | Unused():
            return []
        case _:
            assert_never(event)


def comment_key(event: CommentPosted | CommentEdited, ordinal: int) -> str:
    """The key of one command of a comment as it was written at one time."""
    digest = hashlib.sha256(event.body.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{event.repository.forge}:comment:{event.comment_id}:{digest}:{ordinal}"


def emoji_key(event: Reacted) -> str:
    """The key of what an emoji asked for when it was put there."""
    return f"{event.repository.forge}:emoji:{event.comment_id}:{event.reaction_id}"


def _of_comment(event: CommentPosted | CommentEdited, parsed: Iterable[Parsed]) -> list[Intent]:
    """The commands in their order, then at most one answer to all lines that are none."""
    commands: list[ParsedCommand] = []
    faults: list[CommandFault] = []
    misplaced: list[ParsedCommand] = []
    place = Place.PULL_REQUEST if event.on_pull_request else Place.ISSUE
    for item in parsed:
        if isinstance(item, CommandFault):
            faults.append(item)
        elif place in BY_NAME[item.name].where:
            commands.append(item)
        else:
            misplaced.append(item)
    intents = [_of_command(command, _comment_origin(event, command)) for command in commands]
    if answer := _answer(faults, misplaced, place):
        wrong: list[Parsed] = [*faults, *misplaced]
        first = min(wrong, key=lambda item: item.ordinal)
        intents.append(Misspelt(origin=_comment_origin(event, first), message=answer))
    return intents


def _answer(faults: list[CommandFault], misplaced: list[ParsedCommand], place: Place) -> str:
    parts = [fault_message(faults)] if faults else []
    if misplaced:
        names = dict.fromkeys(f"`{PREFIX} {command.name}`" for command in misplaced)
        verb = "works" if len(names) == 1 else "work"
        elsewhere = Place.ISSUE if place is Place.PULL_REQUEST else Place.PULL_REQUEST
        article = "an" if place is Place.ISSUE else "a"
        parts.append(f"{', '.join(names)} {verb} on {elsewhere}s only; this is {article} {place}.")
    return "\n\n".join(parts)


def _comment_origin(event: CommentPosted | CommentEdited, item: Parsed) -> Origin:
    return Origin(
        key=comment_key(event, item.ordinal),
        delivery_id=event.delivery_id,
        repository=event.repository,
        number=event.number,
        actor=event.actor,
        thread=ThreadKind.PULL if event.on_pull_request else ThreadKind.ISSUE,
        comment_id=event.comment_id,
        quoted=item.text[:QUOTED_CHARACTERS],
        seen=event.seen,
    )


def _of_command(command: ParsedCommand, origin: Origin) -> Intent:  # noqa: PLR0911, PLR0912, C901 - one return for every command
    match command.name:
        case CommandName.HELP:
            return Help(origin=origin)
        case CommandName.RESOLVE:
            return Resolve(
                origin=origin,
                instructions=command.word("instructions") or "",
                strategy=Strategy(command.word("strategy") or Strategy.MERGE),
                budget_usd=command.number("budget"),
                model=command.word("model"),
                dry_run=command.flag("dry-run"),
            )
        case CommandName.STATUS:
            return Status(origin=origin)
        case CommandName.CONFIG:
            return ShowConfig(origin=origin)
        case CommandName.PAUSE:
            return PauseHere(origin=origin, reason=command.word("reason") or "")
        case CommandName.RESUME:
            return ResumeHere(origin=origin)
        case CommandName.APPROVE:
            return Approve(origin=origin, sha=command.word("sha"), old_head=command.word("old-head"))
        case CommandName.TAKE:
            return TakeSide(origin=origin, choice=Choice(command.required("side")), path=command.required("path"))
        case CommandName.REJECT:
            return Reject(origin=origin)
        case CommandName.RETRY:
            return Retry(origin=origin)
        case CommandName.CANCEL:
            return Cancel(origin=origin)
        case CommandName.ROLLBACK:
            return Rollback(origin=origin)
        case CommandName.OK:
            return Ok(origin=origin, sha=command.required("sha"))
        case CommandName.IMPLEMENT:
            return Implement(origin=origin, **_wishes(command))
        case CommandName.PLAN:
            return Plan(origin=origin, **_wishes(command))
        case CommandName.GO:
            return Go(origin=origin, **_wishes(command))
        case CommandName.EXPLAIN:
            return Explain(origin=origin, **_wishes(command))
        case CommandName.FIX:
            return Fix(origin=origin, **_wishes(command))
        case _:
            assert_never(command.name)


def _of_mark(event: LabelAdded | Assigned, digest: str) -> list[Intent]:
    """Our label, or our name among those who are to see to it: resolve the conflicts, or do what the issue says."""
    said = f"label {event.label}" if isinstance(event, LabelAdded) else f"assigned to {event.assignee.login}"
    origin = Origin(
        key=f"{event.repository.forge}:mark:{event.repository.id}#{event.number}:{digest}",
        delivery_id=event.delivery_id,
        repository=event.repository,
        number=event.number,
        actor=event.actor,
        quoted=said[:QUOTED_CHARACTERS],
        thread=ThreadKind.PULL if event.on_pull_request else ThreadKind.ISSUE,
        seen=SeenText(title=event.title, body=event.body),
    )
    return [Resolve(origin=origin)] if event.on_pull_request else [Implement(origin=origin)]


class _Wishes(TypedDict):
    instructions: str
    budget_usd: float | None
    model: str | None


def _wishes(command: ParsedCommand) -> _Wishes:
    return _Wishes(
        instructions=command.word("instructions") or "",
        budget_usd=command.number("budget"),
        model=command.word("model"),
    )


def _of_emoji(event: Reacted) -> list[Intent]:
    """The emoji that approves, under the comment that offers a proposal: it approves that very proposal."""
    proposal_id = offered_in(event.body)
    if event.taken_back or not event.on_pull_request or event.reaction != APPROVING_EMOJI or proposal_id is None:
        return []
    origin = Origin(
        key=emoji_key(event),
        delivery_id=event.delivery_id,
        repository=event.repository,
        number=event.number,
        actor=event.actor,
        quoted=f":{event.reaction}:",
    )
    return [Approve(origin=origin, proposal_id=proposal_id, shown_for=event.body_stood)]


def _of_page(event: DecidedOnPage) -> Intent:
    """A button of the approval page, bound to what the page showed."""
    origin = Origin(
        key=page_key(event.repository.forge, event.action_id),
        delivery_id=event.delivery_id,
        repository=event.repository,
        number=0,
        actor=event.actor,
        job_id=event.job_id,
    )
    if event.decision is PageDecision.DISCARD:
        return Reject(origin=origin, proposal_id=event.proposal_id)
    return Approve(
        origin=origin, sha=event.commit, proposal_id=event.proposal_id, old_head=event.old_head, on_page=True
    )


def _of_click(event: CheckActionRequested | CheckRerequested, action: str) -> list[Intent]:  # noqa: PLR0911 - one return for every action
    """A click on one of our check runs.

    Approving and discarding are bound to the proposal that the check run showed; without one they mean nothing.
    """
    about = parse_external_id(event.external_id)
    watched = parse_watch_id(event.external_id)
    origin = Origin(
        key=f"{event.repository.forge}:click:{event.check_run_id}:{action}:{event.delivery_id}",
        delivery_id=event.delivery_id,
        repository=event.repository,
        number=watched or 0,
        actor=event.actor,
        job_id=None if about is None else about.job_id,
    )
    if watched is not None:
        return [Resolve(origin=origin)] if action == CheckActionName.RESOLVE else []
    if about is None:
        return []
    if action in (CheckActionName.RETRY, "rerequested"):
        return [Retry(origin=origin, proposal_id=about.proposal_id)]
    if action in _TAKES:
        return [TakeSide(origin=origin, choice=_TAKES[action])]
    if about.proposal_id is None:
        return []
    if action == CheckActionName.APPROVE:
        return [Approve(origin=origin, proposal_id=about.proposal_id)]
    if action == CheckActionName.DISCARD:
        return [Reject(origin=origin, proposal_id=about.proposal_id)]
    return []
