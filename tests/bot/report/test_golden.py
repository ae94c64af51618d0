"""What people read, to the letter, in every state."""

from dataclasses import replace

import pytest

from bot.model.conflicts import ConflictKind
from bot.model.forge import ForgeKind
from bot.model.ids import offered_in
from bot.model.jobs import Job, JobKind, JobState
from bot.model.reports import CheckActionName, CheckRunContent, JobView
from bot.model.resolutions import Tier
from bot.report import messages, work
from bot.report.check_run import render_check_run
from bot.report.comment import render_sticky
from bot.report.headings import heading
from bot.report.reply import render_help, render_reply, render_status
from bot.resolvers.table import RESOLVERS
from bot.validation.gate import NAMES
from tests.bot.report import views
from tests.bot.report.parts import ORIGIN, job
from tests.bot.report.work_views import DRAFT, WORK_VIEWS
from tests.conftest import Golden

VIEWS = views.VIEWS | WORK_VIEWS


def as_text(content: CheckRunContent) -> str:
    """A check run as one page."""
    conclusion = content.conclusion.value if content.conclusion else "-"
    lines = [
        f"title: {content.title}",
        f"status: {content.status.value}, conclusion: {conclusion}",
        *(f"button: {item.label} ({item.description}) -> {item.identifier.value}" for item in content.actions),
        *(
            f"annotation: {item.path}:{item.start_line}-{item.end_line} {item.level} [{item.title}] {item.message}"
            for item in content.annotations
        ),
        "",
        "--- summary",
        content.summary,
        "",
        "--- text",
        content.text,
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_the_sticky_comment(name: str, golden: Golden) -> None:
    golden.check(f"report/comment_{name}.md", render_sticky(VIEWS[name]).body)


def on_gitlab(view: JobView) -> JobView:
    """The same job on a GitLab."""
    request = view.job.request
    repository = replace(request.repository, forge=ForgeKind.GITLAB)
    return replace(view, job=replace(view.job, request=replace(request, repository=repository)))


def test_the_sticky_comment_where_there_are_no_buttons(golden: Golden) -> None:
    view = on_gitlab(VIEWS["resolve_awaiting_approval"])
    shown = render_sticky(view).body
    golden.check("report/comment_gitlab_awaiting_approval.md", shown)
    assert view.proposal is not None
    assert offered_in(shown) == view.proposal.id


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_an_emoji_approves_where_a_button_would(name: str) -> None:
    view = VIEWS[name]
    button = any(action.identifier is CheckActionName.APPROVE for action in render_check_run(view).actions)
    assert (offered_in(render_sticky(on_gitlab(view)).body) is not None) is button
    assert offered_in(render_sticky(view).body) is None


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_the_check_run(name: str, golden: Golden) -> None:
    golden.check(f"report/check_{name}.md", as_text(render_check_run(VIEWS[name])))


@pytest.mark.parametrize("name", ["plan_reported", "explain_reported"])
def test_the_comment_that_holds_an_answer(name: str, golden: Golden) -> None:
    golden.check(f"report/answer_{name}.md", work.render_answer(VIEWS[name]).body)


def test_the_draft_pull_request_of_an_issue(golden: Golden) -> None:
    golden.check("report/draft.md", f"{work.draft_title(DRAFT)}\n---\n{work.draft_body(DRAFT)}")


REPLIES = {
    "refusal": "Approving asks for write access to `acme/shop`; `ben` has read access.\n\nRule: `permission`",
    "help": render_help("flowforge[bot]"),
    "status": render_status(VIEWS["resolve_running"].job),
    "status_none": render_status(None),
    "status_tests": render_status(VIEWS["resolve_tests_failed"].job, VIEWS["resolve_tests_failed"].tests),
    "status_ended": render_status(VIEWS["resolve_unresolved_budget"].job),
}


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_replies(name: str, golden: Golden) -> None:
    golden.check(f"report/reply_{name}.md", render_reply(ORIGIN, REPLIES[name]).body)


def test_every_state_of_every_kind_has_a_heading() -> None:
    seen = {(view.job.request.kind, view.job.state) for view in VIEWS.values()}
    assert {state for kind, state in seen if kind is JobKind.RESOLVE} == set(JobState)
    for kind in JobKind:
        for state in JobState:
            some_job: Job = job(state, kind=kind)
            assert 0 < len(heading(kind, some_job.state)) < 60


def test_every_check_has_words() -> None:
    assert set(NAMES) <= messages.CHECK_WORDS.keys()


def test_every_resolver_has_words() -> None:
    assert {resolver.name for resolver in RESOLVERS} <= messages.RESOLVER_WORDS.keys()
    assert all(messages.tier(tier) for tier in Tier)


def test_every_kind_of_conflict_has_words() -> None:
    assert set(ConflictKind) <= messages.CONFLICT_WORDS.keys()
