"""The approval page: what the comment shows, the exact diff, and two buttons for whom they are meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from bot.commands import PREFIX
from bot.model.events import PageDecision
from bot.model.forge import ForgeName
from bot.model.intents import IntentOutcome
from bot.model.jobs import JobState
from bot.model.page import PageView, Waiting
from bot.model.proposals import Proposal, ProposalKind, SuiteEvidence, SuiteOutcome
from bot.model.reports import ConflictRecord, JobView
from bot.model.resolutions import Finding, GateResult
from bot.redact import redact
from bot.report import messages, page_words, sections, suite
from bot.report.headings import heading
from bot.report.page_diff import Room, render_diff
from bot.report.page_html import code, facts, link, note, page, paragraph, prose, words

_TITLE_ROOM: Final = 200
_REASON_ROOM: Final = 1_500
_MAX_ROWS: Final = 500
_MAX_FINDINGS: Final = 50
_LOG_ROOM: Final = 20_000
_READ: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the buttons send back: which form it was, and that it was made for this session and this commit."""

    form: str
    token: str


def render_proposal(seen: PageView, form: Form) -> str:
    """The page of a proposal for one person."""
    view = seen.view
    proposal = _proposal(view)
    said = heading(view.job.request.kind, view.job.state)
    waits = view.job.state is JobState.AWAITING_APPROVAL
    parts = [
        _about(seen),
        _news(seen),
        f'<p><a href="#decision">{page_words.TO_DECISION}</a></p>' if waits else "",
        _facts(seen, proposal),
        _resolved(view.conflicts),
        _evidence(view),
        f"<h2>{page_words.CHANGE}</h2>{_diffs(seen, proposal)}",
        _decision(seen, proposal, form) if waits else "",
    ]
    return page(
        f"{said[:1].upper()}{said[1:]}",
        "\n".join(part for part in parts if part),
        who=prose(page_words.signed_in(seen.actor.login, view.job.request.repository.forge)),
        again=seen.asked is Waiting.UNDER_WAY or view.job.state is JobState.PUBLISHING,
    )


def may_approve(seen: PageView) -> bool:
    """Whether the page has a button that approves: only where all that would be pushed is shown or named."""
    whole = seen.diffs is not None and seen.diffs.against_head is not None and seen.diffs.against_base is not None
    return seen.no_approval is None and whole


def sign_in_page(forge: ForgeName, start: str) -> str:
    """The page for whoever is not signed in; ``start`` is where the way to the forge begins."""
    body = paragraph(page_words.SIGN_IN) + f"<p>{link(start, page_words.sign_in_with(forge), 'button go')}</p>"
    return page(page_words.SIGN_IN_TITLE, body, small=True)


def not_found_page(start: str | None = None) -> str:
    """There is no such proposal, or not for this person: nobody learns which."""
    again = "" if start is None else f"<p>{link(start, page_words.ANOTHER_ACCOUNT, 'button')}</p>"
    return page(page_words.NOT_FOUND_TITLE, paragraph(page_words.NOT_FOUND) + again, small=True)


def plain_page(title: str, *sentences: str, back: str | None = None) -> str:
    """A page of a few words of ours."""
    again = "" if back is None else f"<p>{link(back, page_words.OPEN_AGAIN, 'button')}</p>"
    return page(title, "".join(paragraph(sentence) for sentence in sentences) + again, small=True)


def _proposal(view: JobView) -> Proposal:
    if view.proposal is None:
        raise ValueError("a page without a proposal")
    return view.proposal


def _about(seen: PageView) -> str:
    request = seen.view.job.request
    named = f"{request.repository.full_name}#{request.thread.number}"
    pull = seen.pull_request
    if pull is None:
        return f"<p>{words(named)}</p>"
    return f"<p>{link(pull.html_url, named)} {words(redact(pull.title[:_READ]), _TITLE_ROOM)}</p>"


def _news(seen: PageView) -> str:
    match seen.asked:
        case None:
            said = seen.view.job.message or ""
            ended = seen.view.job.state not in {JobState.AWAITING_APPROVAL, JobState.PUBLISHING}
            return note(prose(redact(said[:_READ]))) if said and ended else ""
        case Waiting.UNDER_WAY:
            return note(page_words.UNDER_WAY)
        case Waiting.LOST:
            return note(page_words.LOST, bad=True)
        case IntentOutcome(decision="allowed"):
            return note(page_words.TAKEN)
        case IntentOutcome(message=message):
            return note(f"<p>{page_words.NOT_TAKEN} {prose(message or page_words.NOT_FOR_YOU)}</p>", bad=True)
        case _:
            assert_never(seen.asked)


def _facts(seen: PageView, proposal: Proposal) -> str:
    view, request = seen.view, seen.view.job.request
    expires = seen.expires_at
    tally = view.tally
    approved = ", ".join(code(each.actor.login) for each in view.approvals)
    count = "" if tally is None else f"{len(tally.approved_by)} of {tally.needed}"
    missing = "" if tally is None else "".join(f"<br>{prose(sentence)}" for sentence in tally.missing)
    return facts(
        [
            ("Commit", code(proposal.commit)),
            ("For the branch", code(request.head_ref)),
            ("Head", code(proposal.head_sha)),
            ("Base", f"{code(request.base_ref)} at {code(proposal.base_sha)}"),
            ("SHA-256 of the diff", code(proposal.diff_sha256)),
            ("Asked for by", code(request.requested_by.login)),
            ("Approvals", f"{count}{f', by {approved}' if approved and count else approved}{missing}"),
            ("Can be decided until", "" if expires is None else f"{expires:%Y-%m-%d %H:%M} UTC"),
        ]
    )


def _resolved(records: Sequence[ConflictRecord]) -> str:
    if not records:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in page_words.TABLE)
    rows = "".join(_row(record) for record in records[:_MAX_ROWS])
    more = f"<p>{page_words.left_out(len(records) - _MAX_ROWS)}</p>" if len(records) > _MAX_ROWS else ""
    table = f'<table class="stack"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<h2>{page_words.RESOLVED}</h2><div class="wide">{table}</div>{more}'


def _row(record: ConflictRecord) -> str:
    kind = messages.CONFLICT_WORDS.get(record.kind) or record.kind
    by = messages.resolver(record.resolver) or record.resolver
    if record.taken is not None:
        by = f"{record.taken.taken_by}, by hand"
    why = redact(" ".join(record.reasons)[:_READ]) or page_words.NO_REASON
    cells = (code(record.path, 4_096), words(kind, _TITLE_ROOM), words(by, _TITLE_ROOM), prose(why, _REASON_ROOM))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _evidence(view: JobView) -> str:
    return f"<h2>{page_words.EVIDENCE}</h2>{_tests(view)}{_gate(view.gate)}"


def _tests(view: JobView) -> str:
    tests = view.tests
    blocked = paragraph(suite.blocked(view.tests_demanded_in)) if view.blocked_by_tests else ""
    if tests is None:
        return paragraph(page_words.NO_TESTS) + blocked
    if tests.outcome is SuiteOutcome.COULD_NOT_RUN:
        detail = words(redact(tests.detail[:_READ]), _REASON_ROOM)
        return f"<p>{page_words.TESTS_COULD_NOT_RUN} {detail}</p>{blocked}{_log(tests)}"
    return paragraph(suite.sentence(tests)) + blocked + _log(tests)


def _log(tests: SuiteEvidence) -> str:
    if not tests.log_tail.strip():
        return ""
    tail = words(redact(tests.log_tail[-_LOG_ROOM:]))
    return f'<details><summary>{suite.LOG}</summary><pre class="text">{tail}</pre></details>'


def _gate(result: GateResult | None) -> str:
    if result is None:
        return ""
    checks = "".join(f"<li>{words(messages.CHECK_WORDS.get(check) or check, 200)}</li>" for check in result.checks)
    told = page_words.checks(len(result.checks))
    passed = f"<details><summary>{told}</summary><ul>{checks}</ul></details>" if checks else ""
    found = "".join(f"<li>{_finding(finding)}</li>" for finding in result.findings[:_MAX_FINDINGS])
    left = len(result.findings) - _MAX_FINDINGS
    more = f"<p>{page_words.left_out(left)}</p>" if left > 0 else ""
    return (f"<p>{page_words.FINDINGS}</p><ul>{found}</ul>{more}" if found else "") + passed


def _finding(finding: Finding) -> str:
    lines = "" if finding.lines is None else words(messages.at_line(*finding.lines))
    where = f"{code(finding.path, 4_096)}{lines}: " if finding.path else ""
    return f"{where}{prose(redact(finding.message[:_READ]), _REASON_ROOM)}"


def _diffs(seen: PageView, proposal: Proposal) -> str:
    commands = words("\n".join(sections.diff_commands(proposal)))
    see = f'<pre class="text">{commands}</pre>'
    diffs = seen.diffs
    if diffs is None:
        return f"<p>{page_words.NO_DIFF}</p>{see}"
    if diffs.against_head is None or diffs.against_base is None:
        approve = words(f"{PREFIX} approve {_pinned(proposal)}")
        return f'<p>{page_words.TOO_LARGE}</p><pre class="text">{approve}</pre>{see}'
    first, room = {file.path for file in proposal.files}, Room()
    shown = f"<h3>{page_words.AGAINST_HEAD}</h3>{render_diff(diffs.against_head, first=first, room=room)}"
    if diffs.against_base:
        shown += f"<h3>{page_words.AGAINST_BASE}</h3>{render_diff(diffs.against_base, first=first, room=room)}"
    return f"{shown}<details><summary>{page_words.SEE_FOR_YOURSELF}</summary>{see}</details>"


def _pinned(proposal: Proposal) -> str:
    return f"--old-head {proposal.head_sha} {proposal.commit}" if _is_rebase(proposal) else proposal.commit


def _is_rebase(proposal: Proposal) -> bool:
    return proposal.kind is ProposalKind.REBASE


def _decision(seen: PageView, proposal: Proposal, form: Form) -> str:
    branch = seen.view.job.request.head_ref
    parts = [f'<h2 id="decision">{page_words.DECISION}</h2>']
    if seen.no_approval is not None:
        parts.append(note(f"<p>{page_words.MAY_NOT_APPROVE} {prose(seen.no_approval)}</p>", bad=True))
    if seen.no_discard is not None and seen.no_discard != seen.no_approval:
        parts.append(note(f"<p>{page_words.MAY_NOT_DISCARD} {prose(seen.no_discard)}</p>", bad=True))
    buttons = []
    if may_approve(seen):
        if _is_rebase(proposal):
            said = prose(page_words.replaces(proposal.head_sha, branch))
            agreed = f'<input type="checkbox" name="replace" value="{words(proposal.head_sha)}" required>'
            buttons.append(f"<label>{agreed} {said}</label>")
        buttons.append(_button(PageDecision.APPROVE, page_words.APPROVE, "go"))
    if seen.no_discard is None:
        buttons.append(_button(PageDecision.DISCARD, page_words.DISCARD, ""))
    if buttons:
        sent = {"commit": proposal.commit, "form": form.form, "token": form.token}
        fields = "".join(f'<input type="hidden" name="{name}" value="{words(value)}">' for name, value in sent.items())
        parts.append(paragraph(page_words.APPROVE_MEANS))
        parts.append(f'<form method="post">{fields}<div class="acts">{"".join(buttons)}</div></form>')
    return "".join(parts)


def _button(decision: PageDecision, label: str, kind: str) -> str:
    # Who discards need not agree to anything first.
    free = "" if decision is PageDecision.APPROVE else " formnovalidate"
    looks = f' class="{kind}"' if kind else ""
    return f'<button name="decision" value="{decision}"{looks}{free}>{label}</button>'
