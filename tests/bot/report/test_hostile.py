"""Reports of jobs whose every text is hostile: nothing harms, everything fits, our own parts stay whole."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.model.cases import Choice, Suggestion, Take
from bot.model.forge import Actor
from bot.model.jobs import JobKind, JobState
from bot.model.proposals import SuiteEvidence, SuiteOutcome, Tally
from bot.model.reports import CheckRunContent, ConflictRecord, HandOver, JobView, ResolutionStatus
from bot.model.resolutions import Confidence, Finding, GateResult, GateVerdict, HunkAnswer, Tier
from bot.model.runs import RunOutcome, Usage
from bot.report import forks
from bot.report.check_run import render_check_run
from bot.report.comment import render_sticky, sticky_marker
from bot.report.markdown import size
from bot.report.reply import render_help, render_reply, render_status, reply_marker
from tests.bot.report.parts import (
    APPROVAL,
    COMMIT,
    LINES,
    NOW,
    ORIGIN,
    PROPOSAL,
    PUBLICATION,
    REPOSITORY,
    STAGES,
    TREE,
    job,
)
from tests.bot.report.reading import HOSTILE, code_spans, columns, fences, harm, paragraphs
from tests.bot.report.views import VIEWS

LONG = st.tuples(HOSTILE, st.sampled_from([1, 1, 1, 50, 500])).map(lambda pair: pair[0] * pair[1])
ANSWERS = st.builds(
    HunkAnswer,
    index=st.integers(0, 10**6),
    content=HOSTILE.map(lambda text: text.encode("utf-8", "surrogatepass")),
    resolver=HOSTILE,
    tier=st.sampled_from(Tier),
    reason=LONG,
    confidence=st.sampled_from(Confidence),
)
TESTS = st.builds(
    SuiteEvidence,
    tree=st.just(TREE),
    outcome=st.sampled_from(SuiteOutcome),
    at=st.just(NOW),
    command=LONG,
    exit_status=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 255),
    duration_ms=st.none() | st.integers(0, 2**40),
    log_tail=LONG,
    detail=LONG,
    left_out=st.integers(0, 10**6),
)
BULK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)


@st.composite
def hostile_views(draw: st.DrawFn) -> JobView:
    """A view in any state, with any text anywhere."""
    kind, state = draw(st.sampled_from(JobKind)), draw(st.sampled_from(JobState))
    made = job(
        state,
        kind=kind,
        message=draw(st.none() | LONG),
        rule=draw(st.none() | HOSTILE),
        progress=draw(LONG),
        base_sha=draw(st.none() | HOSTILE),
        head_sha=draw(HOSTILE),
    )
    request = replace(
        made.request,
        head_ref=draw(LONG),
        base_ref=draw(LONG),
        requested_by=Actor(id=1, login=draw(HOSTILE)),
    )
    records = st.builds(
        ConflictRecord,
        path=LONG,
        kind=HOSTILE,
        hunks=st.integers(0, 10**9),
        resolver=HOSTILE,
        status=st.sampled_from(ResolutionStatus),
        reasons=st.lists(LONG, max_size=3).map(tuple),
        oid=st.none(),
        prompt=st.just(""),
        response=st.just(""),
        stages=st.just(STAGES),
        answers=st.lists(ANSWERS, max_size=3).map(tuple),
        candidates=st.lists(ANSWERS, max_size=2).map(tuple),
        provenance=st.just(LINES),
        taken=st.none() | st.builds(Take, path=HOSTILE, choice=st.sampled_from(Choice), taken_by=HOSTILE),
        suggestion=st.none() | st.builds(Suggestion, choice=st.sampled_from(Choice), reason=LONG),
    )
    findings = st.builds(
        Finding,
        check=HOSTILE,
        verdict=st.sampled_from(GateVerdict),
        path=LONG,
        message=LONG,
        lines=st.none() | st.just((3, 9)),
    )
    gate = st.builds(
        GateResult,
        verdict=st.sampled_from(GateVerdict),
        findings=st.lists(findings, max_size=3).map(lambda items: tuple(items * 30)),
        checks=st.lists(HOSTILE, max_size=30).map(tuple),
    )
    proposal = replace(
        PROPOSAL, branch=draw(HOSTILE), commit=draw(HOSTILE), diff_sha256=draw(HOSTILE), parents=(draw(HOSTILE), COMMIT)
    )
    hand_over = st.builds(HandOver, reason=LONG, commands=st.lists(LONG, max_size=15).map(tuple))
    login = draw(HOSTILE)
    copies = draw(st.sampled_from([1, 400]))
    return JobView(
        job=replace(made, request=request),
        conflicts=tuple(draw(st.lists(records, max_size=3)) * copies),
        gate=draw(st.none() | gate),
        proposal=draw(st.none() | st.just(proposal)),
        diff_against_head=draw(_diffs()),
        diff_against_base=draw(_diffs()),
        usage=Usage(model_calls=draw(st.integers(0, 10**12)), cost_usd=draw(st.floats(0, 10**9))),
        run_outcome=draw(st.none() | st.sampled_from(RunOutcome)),
        run_detail=draw(LONG),
        duration_seconds=draw(st.none() | st.floats(0, 10**12)),
        hand_over=draw(st.none() | hand_over),
        approvals=draw(
            st.sampled_from([0, 1, 200]).map(lambda many: (replace(APPROVAL, actor=Actor(id=1, login=login)),) * many)
        ),
        tally=draw(
            st.none() | st.just(Tally(approved_by=(Actor(id=1, login=login),) * 20, needed=30, missing=(login,)))
        ),
        publication=draw(st.none() | st.just(replace(PUBLICATION, new=draw(HOSTILE)))),
        superseded_by=draw(st.none() | HOSTILE),
        tests=draw(st.none() | TESTS),
        tests_demanded_in=draw(st.sampled_from(["", "`.flowforge.yml:3`"])),
    )


def _diffs() -> st.SearchStrategy[str]:
    files = st.tuples(HOSTILE, LONG, st.sampled_from([1, 1, 200])).map(
        lambda parts: (
            f"diff --git a/{parts[0]} b/{parts[0]}\n--- a/x\n+++ b/{parts[0]}\n@@ -1 +1 @@\n"
            + f"+{parts[1]}\n" * parts[2]
        )
    )
    return st.lists(files, max_size=4).map("".join) | LONG


@BULK
@given(view=hostile_views())
def test_the_sticky_comment_withstands_any_view(view: JobView) -> None:
    content = render_sticky(view)
    assert size(content.body) <= 65_536
    assert harm(content.body) == []
    assert content.marker == sticky_marker(REPOSITORY, 12)
    assert content.body.startswith(f"{content.marker}\n")
    assert content.body.count("<!-- flowforge:") == 1
    assert content.body.count("<details>\n<summary>") <= 6, "the sections' own, and no other"
    content.body.encode()


@BULK
@given(view=hostile_views())
def test_our_own_parts_stay_whole(view: JobView) -> None:
    body = render_sticky(view).body
    assert sum(line.startswith("### FlowForge: ") for line in body.split("\n")) == 1
    assert set(columns(body)) <= {3, 4}
    shown = paragraphs(body)
    if view.job.state not in {
        JobState.QUEUED,
        JobState.PREPARING,
        JobState.RUNNING,
        JobState.VALIDATING,
        JobState.PUBLISHING,
    }:
        assert shown[-1].startswith("Job `01234567` · ")


@BULK
@given(view=hostile_views())
def test_the_check_run_withstands_any_view(view: JobView) -> None:
    content = render_check_run(view)
    assert harm(content.summary) == []
    assert harm(content.text) == []
    within_githubs_limits(content)


def within_githubs_limits(content: CheckRunContent) -> None:
    """https://docs.github.com/en/rest/checks/runs#create-a-check-run ."""
    assert 0 < size(content.title) <= 255
    assert size(content.summary) <= 65_535
    assert size(content.text) <= 65_535
    assert len(content.annotations) <= 50
    assert len(content.actions) <= 3
    assert (content.conclusion is not None) == (content.status.value == "completed")
    for action in content.actions:
        assert len(action.label) <= 20
        assert len(action.description) <= 40
        assert len(action.identifier.value) <= 20
    for annotation in content.annotations:
        assert annotation.path
        assert 1 <= annotation.start_line <= annotation.end_line
        assert size(annotation.message) <= 64 * 1024
        assert size(annotation.title) <= 255
        (annotation.path + annotation.message).encode()
    (content.title + content.summary + content.text).encode()


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_the_ordinary_reports_are_harmless_and_within_limits(name: str) -> None:
    assert harm(render_sticky(VIEWS[name]).body) == []
    content = render_check_run(VIEWS[name])
    assert harm(content.summary) == []
    assert harm(content.text) == []
    within_githubs_limits(content)


@settings(max_examples=60, deadline=None)
@example(quoted="", text="000 www.evil.example … @acme/all" * 500, key="k")
@given(quoted=LONG, text=LONG, key=HOSTILE.filter(lambda key: key.isascii()))
def test_a_reply_withstands_any_text(quoted: str, text: str, key: str) -> None:
    origin = replace(ORIGIN, quoted=quoted, key=key)
    content = render_reply(origin, text)
    assert size(content.body) <= 65_536
    assert harm(content.body) == []
    assert content.marker == reply_marker(origin)
    assert content.body.count("<!-- flowforge:") == 1


def test_each_intent_has_its_own_reply() -> None:
    assert reply_marker(ORIGIN) == reply_marker(replace(ORIGIN, quoted="x"))
    assert reply_marker(ORIGIN) != reply_marker(replace(ORIGIN, key="comment:99:abc:1"))


@settings(max_examples=40)
@given(message=st.none() | LONG, progress=LONG, state=st.sampled_from(JobState))
def test_a_status_withstands_any_job(message: str | None, progress: str, state: JobState) -> None:
    text = render_status(job(state, message=message, progress=progress))
    assert harm(render_reply(ORIGIN, text).body) == []


def test_help_is_harmless_and_whole() -> None:
    body = render_reply(ORIGIN, render_help("flowforge[bot]")).body
    assert harm(body) == []
    assert set(columns(body)) == {3}
    assert "/flowforge rollback" in code_spans(body)


def test_what_looks_like_a_secret_is_taken_out() -> None:
    token = "ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl"
    view = VIEWS["resolve_unresolved_gate"]
    leaky = replace(
        view,
        job=replace(view.job, message=f"failed with {token}"),
        conflicts=tuple(replace(record, reasons=(f"used {token}",)) for record in view.conflicts),
        run_outcome=RunOutcome.AGENT_FAILED,
        run_detail=f"stderr: {token}",
    )
    content = render_check_run(leaky)
    for text in (render_sticky(leaky).body, content.summary, content.title, render_reply(ORIGIN, token).body):
        assert token not in text


def test_a_hostile_branch_name_stays_one_word_for_the_shell() -> None:
    view = VIEWS["resolve_unresolved_gate"]
    hostile = replace(view, job=replace(view.job, request=replace(view.job.request, base_ref="x;$(id)")))
    assert "git fetch origin 'refs/heads/x;$(id)'\n" in fences(render_sticky(hostile).body)[0]


@pytest.mark.parametrize("state", [JobState.AWAITING_APPROVAL, JobState.PUBLISHED])
def test_a_huge_diff_is_listed_and_the_way_to_see_it_is_given(state: JobState) -> None:
    big = "".join(
        f"diff --git a/f{n} b/f{n}\n--- a/f{n}\n+++ b/f{n}\n@@ -1 +1,900 @@\n" + "+line of text\n" * 900
        for n in range(12)
    )
    view = replace(VIEWS["resolve_awaiting_approval"], diff_against_head=big, diff_against_base=big)
    view = replace(view, job=replace(view.job, state=state))
    body = render_sticky(view).body
    assert 30_000 < size(body) <= 65_536
    for n in range(12):
        assert f"diff --git a/f{n} b/f{n}" in body or f"- `f{n}` (+900 \u22120)" in body
    assert f"git diff {PROPOSAL.parents[0]} {PROPOSAL.commit}" in body
    assert f"git diff {PROPOSAL.parents[1]} {PROPOSAL.commit}" in body


def test_one_large_diff_may_use_the_room_the_other_leaves() -> None:
    large = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1,3000 @@\n" + "+line of text\n" * 3_000
    small = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n+x\n"
    for head, base in ((large, small), (small, large)):
        view = replace(VIEWS["resolve_awaiting_approval"], diff_against_head=head, diff_against_base=base)
        assert "do not fit" not in render_sticky(view).body


def test_a_diff_gets_only_the_room_that_the_rest_leaves() -> None:
    view = VIEWS["resolve_awaiting_approval"]
    reasons = ("many words that explain little " * 30,)
    rows = tuple(replace(view.conflicts[0], path=f"src/{n}.py", reasons=reasons) for n in range(40))
    diff = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1,4000 @@\n" + "+line of text\n" * 4_200
    roomy = replace(view, diff_against_head=diff, diff_against_base="")
    assert "do not fit" not in render_sticky(roomy).body
    crowded = replace(roomy, conflicts=rows)
    assert "do not fit" in render_sticky(crowded).body
    assert size(render_sticky(crowded).body) <= 65_536
    assert "And " in render_sticky(crowded).body


def test_no_more_annotations_than_one_request_takes() -> None:
    view = VIEWS["resolve_unresolved_gate"]
    assert view.gate is not None
    many = replace(view, gate=replace(view.gate, findings=view.gate.findings * 100))
    assert len(render_check_run(many).annotations) == 50
    assert "- and 180 more" in render_sticky(many).body
    nowhere = replace(view.gate.findings[0], path="a\u202eb")
    assert render_check_run(replace(view, gate=replace(view.gate, findings=(nowhere,)))).annotations == ()


def test_the_body_of_a_pull_request_for_a_fork_mentions_nobody_and_links_only_the_original() -> None:
    view = VIEWS["resolve_published_beside"]
    assert view.proposal is not None
    hostile = "ben`\n\n@acme/all fixes #1 <!-- x --> [a](http://evil)"
    body = forks.beside_body(view.job, view.proposal, author=hostile, reasons=["No."])
    outside = re.sub(r"``.*?``|`[^`]*`", "", body)
    assert "@acme" not in outside
    assert set(re.findall(r"#\d+", outside)) == {"#12"}
    assert "evil" not in outside
    title = forks.beside_title(view.job, "Round\n/flowforge approve " + "x" * 400)
    assert "\n" not in title
    assert len(title) <= 256


def test_what_is_not_even_named_cannot_be_approved() -> None:
    """ADV-042: with more changed files than can be named, no approval is offered."""
    view = VIEWS["resolve_awaiting_approval"]
    lines = "+line of text\n" * 90
    for count, offered in ((40, True), (4_000, False)):
        names = [f"some/directory/with/a/long/name/file-{number}.py" for number in range(count)]
        diff = "".join(f"diff --git a/{x} b/{x}\n--- a/{x}\n+++ b/{x}\n@@ -0,0 +1,90 @@\n{lines}" for x in names)
        large = replace(view, diff_against_head=diff, diff_against_base=diff)
        check, comment = render_check_run(large), render_sticky(large).body
        assert ("approve" in {action.identifier for action in check.actions}) is offered
        assert ("/flowforge approve" in comment) is offered
        assert size(comment) <= 65_536
        if offered:
            assert all(name in check.text for name in names)
