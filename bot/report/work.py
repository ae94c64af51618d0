"""Reports about work that people asked for in words, and the sentences in them."""

import re
from typing import Final, assert_never

from bot.commands import PREFIX
from bot.model.forge import ForgeName, pull_name
from bot.model.jobs import JobKind, JobState
from bot.model.reports import CommentContent, JobView
from bot.model.resolutions import GateResult, GateVerdict
from bot.model.runs import RunOutcome
from bot.redact import redact
from bot.report import endings, messages, sections, suite
from bot.report.headings import WORK_WORDS
from bot.report.markdown import defused, title
from bot.report.sections import joined, name, said

_ANSWER_ROOM: Final = 30_000
_SUMMARY_ROOM: Final = 6_000
_TITLE_ROOM: Final = 200
_READ: Final = 20_000

_NUMBER: Final = re.compile(r"[#!]([0-9]{1,10})\b", re.ASCII)

UNASKED: Final = "No person asked for this: a check failed, and the configuration says `on_check_failure: fix`."
EDITED: Final = "The description was edited after this was asked for; what it said then counts."
RESOLVED_UNKNOWN: Final = (
    "The forge did not tell which comments on lines are resolved, so resolved ones may be among what was looked at."
)
HEAD_MOVED: Final = f"The head moved before the work began. `{PREFIX} fix` looks at what fails now."
NOTHING_TO_FIX: Final = (
    "No check of the head failed that FlowForge can see, and nobody with write access commented before. Say what is to "
    f"be mended: `{PREFIX} fix <instructions>`."
)
CLOSED: Final = "The issue was closed meanwhile, so nothing was done."
NO_ANSWER: Final = f"The agent gave no usable answer. `{PREFIX} retry` tries again."
SAID: Final = "The answer stands in a comment of its own."
GO: Final = f"`{PREFIX} go` has it carried out; `{PREFIX} plan` with more words makes another one."
QUEUED: Final = f"It starts as soon as a worker is free. `{PREFIX} cancel` takes it back."
WORKING: Final = f"`{PREFIX} cancel` stops the work."
RETRY: Final = f"`{PREFIX} retry` tries again."
NOTHING_CHANGED: Final = "The agent changed nothing. It says:"
LOOK_HERE: Final = "**Look at this before you merge:**"
LOOK_AT_FIX: Final = "**Look at this:**"
UNDO: Final = f"`{PREFIX} rollback` closes it and deletes its branch."
WITHDRAWN: Final = "The pull request is closed, and its branch is deleted."
CLOSED_ONLY: Final = "The pull request is closed. Its branch is left alone: somebody added to it."
MERGED: Final = "The pull request is merged already: revert it on the forge."
BY_A_MODEL: Final = "Written by a model that read what people wrote: check what it says before you rely on it."


def edited_comments(count: int) -> str:
    """Comments that do not count because somebody changed them."""
    what = "A comment was" if count == 1 else f"{count:,} comments were"
    return f"{what} edited after this was asked for, and left out."


def others_comments(count: int) -> str:
    """Comments that do not count because of who wrote them."""
    what = "A comment" if count == 1 else f"{count:,} comments"
    return f"{what} by people without write access here {'was' if count == 1 else 'were'} left out."


def run_ended(outcome: RunOutcome) -> str:
    """What a run's outcome means for the person who asked for such work."""
    match outcome:
        case RunOutcome.AGENT_REFUSED:
            return "The model declined to work on this. Try other words, or another model with `--model`."
        case RunOutcome.MAX_OUTPUT:
            return "The model's answer was longer than it may be. Ask for less at once."
        case RunOutcome.CONTEXT_TOO_LONG:
            return "This is too large for the model. Ask for less at once."
        case RunOutcome.BUDGET_EXHAUSTED:
            return "The run reached its budget and was stopped. Ask again with `--budget <USD>` to allow more."
        case _:
            return endings.run_ended(outcome)


def never_pushed(result: GateResult) -> str:
    """What the checks will not let on any branch; nothing of the change was pushed."""
    bad = [finding for finding in result.findings if finding.verdict is GateVerdict.REFUSED]
    return f"The checks let nothing of this change on a branch ({len(bad):,} of their findings say why). {RETRY}"


def opened(forge: ForgeName, number: int) -> str:
    """Where the work can be seen."""
    there = pull_name(forge, number)
    return f"The work stands in draft pull request {there}: look at it there, then mark it ready, or close it."


def still_open(forge: ForgeName, number: int) -> str:
    """An issue gets no second pull request beside the first."""
    there = pull_name(forge, number)
    return (
        f"Draft pull request {there} does this already and is still open. `{PREFIX} fix <instructions>` there "
        f"goes on with it; `{PREFIX} rollback` here closes it, and then this can be asked for again."
    )


def draft_title(view: JobView) -> str:
    """The title of a pull request of our own: the issue's, in which nothing means anything."""
    brief = view.job.request.brief
    words = title(brief.title if brief is not None else "", _TITLE_ROOM)
    return words or f"Work on issue {view.job.request.thread.number}"


def draft_body(view: JobView) -> str:
    """The description of a pull request of our own: what it is for, what was done, what to look at, what it took."""
    request = view.job.request
    login = name(request.requested_by.login)
    parts = [
        f"Closes #{request.thread.number}",
        f"A proposal by {messages.NAME}, which {login} asked for. Nobody has looked at it yet.",
        "",
        defused(redact(view.job.answer[:_READ]), _SUMMARY_ROOM),
        *_notes(view),
        _gate(view.gate, LOOK_HERE),
        suite.section(view),
        f"`{PREFIX} rollback` on the issue closes this and deletes its branch.",
        sections.footer(view),
    ]
    return joined(parts) + "\n"


def fix_evidence(view: JobView) -> list[str]:
    """What a fix is and what to look at: the agent's own words, what was left out of its brief, what the checks say."""
    return [
        defused(redact(view.job.answer[:_READ]), _SUMMARY_ROOM),
        *_notes(view),
        _gate(view.gate, LOOK_AT_FIX),
    ]


def _gate(result: GateResult | None, heading: str) -> str:
    """What the checks name for whoever decides, under ``heading`` where they hold something against it."""
    passed = result is None or result.verdict is GateVerdict.PASS
    return sections.gate(result) if passed else sections.gate(result, heading=heading)


def answer_marker(view: JobView) -> str:
    """The hidden line that finds the answer again."""
    return f"<!-- flowforge:answer job={view.job.id} -->"


def render_answer(view: JobView) -> CommentContent:
    """The comment that holds a plan or an explanation: every link, mention and picture in it is taken apart."""
    marker = answer_marker(view)
    words = WORK_WORDS[view.job.request.kind]
    parts = [
        marker,
        f"### {messages.NAME}: {words.name}",
        messages.asked_by(name(view.job.request.requested_by.login)),
        defused(redact(view.job.answer[:_READ]), _ANSWER_ROOM),
        *_notes(view),
        BY_A_MODEL,
        GO if view.job.request.kind is JobKind.PLAN else "",
        sections.footer(view),
    ]
    return CommentContent(marker=marker, body=joined(parts) + "\n")


def body(view: JobView) -> list[str]:  # noqa: C901, PLR0911 - what each state says
    """The paragraphs between the heading and the diffs, some of them empty."""
    job = view.job
    match job.state:
        case JobState.QUEUED:
            return [f"{_asked(view)} {QUEUED}"]
        case JobState.PREPARING | JobState.RUNNING | JobState.VALIDATING:
            return [f"{_asked(view)} {WORKING}"]
        case JobState.REPORTED:
            return [SAID, GO if job.request.kind is JobKind.PLAN else ""]
        case JobState.UNRESOLVED:
            return [
                said(job.message, messages.FAILED),
                sections.run_detail(view),
                sections.gate(view.gate),
                _unless_said(view, RETRY),
            ]
        case JobState.PUBLISHED:
            return [_published(view), *_notes(view), UNDO]
        case JobState.NOTHING_TO_DO:
            return [said(job.message, ""), defused(redact(job.answer[:_READ]), _SUMMARY_ROOM)]
        case JobState.REFUSED:
            return [said(job.message, messages.REFUSED), messages.rule(name(job.rule)) if job.rule else ""]
        case JobState.FAILED:
            return [said(job.message, messages.FAILED), _unless_said(view, RETRY)]
        case JobState.CANCELLED:
            return [said(job.message, messages.CANCELLED), _unless_said(view, RETRY)]
        case JobState.SUPERSEDED:
            newer = "" if view.superseded_by is None else messages.superseded_by(name(view.superseded_by))
            return [said(job.message, messages.SUPERSEDED), newer]
        case JobState.AWAITING_APPROVAL | JobState.PUBLISHING | JobState.REJECTED:
            return [said(job.message, "")]
        case _:
            assert_never(job.state)


def _published(view: JobView) -> str:
    """The one sentence in which a pull request of our own is linked; nothing else goes through as it is."""
    message = view.job.message or ""
    number = _NUMBER.search(message)
    ours = number is not None and message == opened(view.job.request.repository.forge, int(number[1]))
    return message if ours else said(message, "")


def _asked(view: JobView) -> str:
    return messages.asked_by(name(view.job.request.requested_by.login))


def _notes(view: JobView) -> list[str]:
    brief = view.job.request.brief
    return ["\n".join(f"- {note}" for note in brief.notes)] if brief is not None and brief.notes else []


def _unless_said(view: JobView, hint: str) -> str:
    return "" if view.job.message and PREFIX in view.job.message else hint
