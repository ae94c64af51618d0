"""The parts that reports are put together from. Each is Markdown of at most so many units as its constant says."""

import shlex
from collections.abc import Callable, Sequence
from typing import Final

from bot.model.intents import Strategy
from bot.model.jobs import JobKind, JobState
from bot.model.proposals import Proposal, ProposalKind
from bot.model.reports import JobView
from bot.model.resolutions import Finding, GateResult, GateVerdict
from bot.model.runs import OF_THE_OPERATOR, RunOutcome
from bot.redact import redact
from bot.report import diffs, messages
from bot.report.markdown import code, details, fence, inline, size

SHORT: Final = 12
"""So many characters of a commit id or hash are shown."""

_REASON_ROOM: Final = 600
_FINDINGS_ROOM: Final = 5_000
_MAX_FINDINGS: Final = 20
_MAX_NOTES: Final = 20
_MESSAGE_ROOM: Final = 1_500
_MAX_COMMANDS: Final = 10
_COMMAND_ROOM: Final = 600
_FOLD_ROOM: Final = 200

MAX_TEXT: Final = 65_535
"""Of a check run's summary and text each: https://docs.github.com/en/rest/checks/runs#create-a-check-run ."""

_NAME_ROOM: Final = 120
_READ: Final = 20_000
"""So many characters of a text are looked at; far more than is ever shown."""


def name(text: str) -> str:
    """A branch, a login, a rule: short words of others."""
    return code(text, _NAME_ROOM)


def short(commit: str | None) -> str:
    """The beginning of a commit id."""
    return "unknown" if commit is None else code(commit[:SHORT], SHORT)


def told(text: str, room: int) -> str:
    """Prose of others or ours within ``room`` units; what looks like a secret is taken out."""
    return inline(redact(text[:_READ]), room, unread=max(len(text) - _READ, 0))


def said(message: str | None, otherwise: str) -> str:
    """A sentence that goes with a job's state."""
    return told(message, _MESSAGE_ROOM) if message else otherwise


def run_detail(view: JobView) -> str:
    """What the machinery says about a run that did not succeed.

    Of what went wrong in the infrastructure, the words name its parts: those are for the operator's log.
    """
    outcome = view.run_outcome
    if outcome in {None, RunOutcome.SUCCEEDED} or outcome in OF_THE_OPERATOR or not view.run_detail:
        return ""
    return messages.detail(told(view.run_detail, _REASON_ROOM))


def joined(parts: Sequence[str]) -> str:
    """Paragraphs; empty ones are left out."""
    return "\n\n".join(part for part in parts if part)


def merging(view: JobView) -> str:
    """What is merged into what, or rebased onto what; a rollback does neither."""
    job = view.job
    if job.request.kind is not JobKind.RESOLVE or job.base_sha is None:
        return ""
    head, base = name(job.request.head_ref), name(job.request.base_ref)
    if job.request.strategy is Strategy.REBASE:
        return messages.rebasing(head, short(job.head_sha), base, short(job.base_sha))
    return messages.merging(base, short(job.base_sha), head, short(job.head_sha))


def more(count: int, say: Callable[[int], str]) -> list[str]:
    """The sentence about what is left out, where something is."""
    return [say(count)] if count > 0 else []


def gate(result: GateResult | None, *, heading: str = messages.CHECKS_FAILED) -> str:
    """What the checks say, in words; ``heading`` stands above what they hold against a result."""
    if result is None:
        return ""
    if result.verdict is GateVerdict.PASS:
        words = [messages.CHECK_WORDS.get(check) or name(check) for check in result.checks[:_MAX_FINDINGS]]
        summary = messages.checks_passed(len(result.checks), len(result.findings))
        listed = "\n".join(f"- {word}" for word in words)
        notes = _findings(result.findings, _MAX_NOTES)
        return details(summary, joined([listed, messages.NOTES if notes else "", notes]))
    bad = [finding for finding in result.findings if finding.verdict is not GateVerdict.PASS]
    rest = [finding for finding in result.findings if finding.verdict is GateVerdict.PASS]
    fold = details(messages.more_notes(len(rest)), _findings(rest, _MAX_NOTES)) if rest else ""
    return joined([heading, _findings(bad, _MAX_FINDINGS), fold])


def _findings(findings: Sequence[Finding], limit: int) -> str:
    kept: list[str] = []
    room = _FINDINGS_ROOM
    for finding in findings[:limit]:
        row = _finding(finding)
        room -= size(row) + 1
        if room < 0:
            break
        kept.append(row)
    return "\n".join([*kept, *more(len(findings) - len(kept), messages.more_findings)])


def _finding(finding: Finding) -> str:
    where = f"{code(finding.path)}{messages.at_line(*finding.lines) if finding.lines else ''}: " if finding.path else ""
    return f"- {where}{told(finding.message, _REASON_ROOM)}"


def shell(commands: Sequence[str]) -> str:
    """Commands to copy. A command that is too long for its place is left out: half a command is worse than none."""
    return fence("\n".join(command for command in commands[:_MAX_COMMANDS] if size(command) <= _COMMAND_ROOM), "sh")


def diff_folds(view: JobView, room: int) -> diffs.Rendered:
    """The proposal against each of its parents, in folds of at most ``room`` units together, and how to see it all."""
    proposal = view.proposal
    if proposal is None:
        return diffs.Rendered(text="", complete=True)
    see = details(messages.SEE_FOR_YOURSELF, shell(diff_commands(proposal)))
    room -= size(see) + 4
    first = {file.path for file in proposal.files}
    head, base = diffs.split(view.diff_against_head), diffs.split(view.diff_against_base)
    # Half the room is the second's if it needs it; what it leaves is the first's, and the other way round.
    second = _diff_fold(messages.DIFF_AGAINST_BASE, base, first, room // 2)
    out = _diff_fold(messages.DIFF_AGAINST_HEAD, head, first, room - size(second.text))
    if size(out.text) < room // 2:
        second = _diff_fold(messages.DIFF_AGAINST_BASE, base, first, room - size(out.text))
    return diffs.Rendered(text=joined([out.text, second.text, see]), complete=out.complete and second.complete)


def takes_a_plain_yes(view: JobView) -> bool:
    """Whether a button or an emoji may approve the proposal: neither can name the head that a rebase replaces."""
    proposal = view.proposal
    if proposal is None or view.job.state is not JobState.AWAITING_APPROVAL:
        return False
    return proposal.kind is not ProposalKind.REBASE and not view.blocked_by_tests


def shows_every_change(view: JobView) -> bool:
    """Whether the check run shows or names every file that the proposal changes: what is hidden cannot be approved."""
    return diff_folds(view, MAX_TEXT).complete


def _diff_fold(title: str, files: Sequence[diffs.FileDiff], first: set[str], room: int) -> diffs.Rendered:
    if not files:
        return diffs.Rendered(text="", complete=True)
    added, removed = sum(file.added for file in files), sum(file.removed for file in files)
    summary = messages.summary_with_numbers(title, len(files), added, removed)
    rendered = diffs.render(files, first=first, room=room - _FOLD_ROOM)
    return diffs.Rendered(text=details(summary, rendered.text), complete=rendered.complete)


def diff_commands(proposal: Proposal) -> list[str]:
    """The commands that show a proposal against each of its parents."""
    parents = proposal.parents[:2]
    return [
        shlex.join(("git", "fetch", "origin", f"refs/heads/{proposal.branch}")),
        *(shlex.join(("git", "diff", parent, proposal.commit)) for parent in parents),
    ]


def footer(view: JobView) -> str:
    """Which job, and what it took."""
    usage = view.usage
    tokens_in = usage.input_tokens + usage.cache_write_tokens + usage.cache_read_tokens
    parts = messages.model_calls(usage.model_calls, tokens_in, usage.output_tokens, usage.cost_usd)
    if view.duration_seconds is not None:
        parts.append(messages.seconds(view.duration_seconds))
    return messages.footer(code(view.job.short_id, SHORT), parts)
