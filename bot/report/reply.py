"""Replies: the few words that answer a command."""

import hashlib
from typing import Final

from bot.commands import help_text
from bot.config_keys import DEFAULT_CONFIG, RepositoryConfig
from bot.model.forge import Merging
from bot.model.intents import Origin
from bot.model.jobs import Job
from bot.model.proposals import SuiteEvidence
from bot.model.reports import CommentContent
from bot.redact import redact
from bot.report import messages, suite
from bot.report.headings import heading
from bot.report.markdown import code, defused
from bot.report.merging import waits_for
from bot.report.sections import joined, name, told

_QUOTE_ROOM: Final = 200
_TEXT_ROOM: Final = 60_000
_STATUS_ROOM: Final = 1_500
_KEY_DIGITS: Final = 32
_READ: Final = 5_000


def reply_marker(origin: Origin) -> str:
    """The hidden line that finds a reply again; one for each intent."""
    return f"<!-- flowforge:reply key={hashlib.sha256(origin.key.encode()).hexdigest()[:_KEY_DIGITS]} -->"


def render_reply(origin: Origin, text: str) -> CommentContent:
    """The answer to the line that ``origin`` quotes.

    ``text`` is Markdown of ours. Words of others in it should be code spans already; those that are not become it.
    """
    marker = reply_marker(origin)
    quoted = f"> {code(redact(origin.quoted[:_READ]), _QUOTE_ROOM)}" if origin.quoted.strip() else ""
    return CommentContent(marker=marker, body=joined([marker, quoted, defused(redact(text), _TEXT_ROOM)]) + "\n")


def render_help(mention: str = messages.NAME.lower(), config: RepositoryConfig = DEFAULT_CONFIG) -> str:
    """The text that answers ``help``, for ``render_reply``; ``mention`` is the login people can address us by."""
    return help_text(mention, config)


def render_status(job: Job | None, tests: SuiteEvidence | None = None, *, merging: Merging | None = None) -> str:
    """The text that answers ``status``, for ``render_reply``; ``tests`` are those of the job's proposal."""
    blocked = None if merging is None else merging.blocked
    waiting = "" if blocked is None else waits_for(blocked)
    if job is None:
        return joined([messages.NO_JOB, waiting])
    where = heading(job.request.kind, job.state)
    detail = job.message or job.progress
    return joined(
        [
            messages.status(name(job.short_id), where),
            told(detail, _STATUS_ROOM) if detail else "",
            "" if tests is None else suite.sentence(tests),
            waiting,
            messages.STATUS_POINTER,
        ],
    )
