"""What GitLab sends is signed as we check it, has an id, and decodes to what happened."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.webhooks import Delivery as Sent
from app.store.database import SqlStore
from bot.forges.gitlab.deliveries import DECODED_EVENTS, DeliveryDecoder, SignatureVerifier, identify
from bot.handlers.marks import SeeMarks
from bot.intents import intents_of
from bot.model.deliveries import Delivery
from bot.model.events import (
    Assigned,
    BranchPushed,
    CommentPosted,
    Event,
    LabelAdded,
    PullRequestAction,
    PullRequestChanged,
    Reacted,
    Unused,
)
from bot.model.forge import ForgeKind
from bot.model.ids import make_offer_mark
from bot.model.intents import Approve
from bot.model.reports import CommentContent
from tests.app.store.words import CountedIds
from tests.contracts.both import MARKER, SECRET, SIGNING_TOKEN, BothStage, on_gitlab


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BothStage]:
    async with on_gitlab(tmp_path / "sim") as opened:
        yield opened


@pytest.fixture
async def store(database_url: str, stage: BothStage) -> AsyncIterator[SqlStore]:
    opened = SqlStore.open(database_url, stage.clock, CountedIds())
    yield opened
    await opened.close()


def received(stage: BothStage) -> list[Event]:
    """Everything that was sent since the last time, verified and decoded."""
    assert isinstance(stage.sim, GitLabSimulator)
    sent = list(stage.sim.webhooks.deliveries)
    stage.sim.webhooks.deliveries.clear()
    return [decoded(stage, one) for one in sent]


def decoded(stage: BothStage, sent: Sent) -> Event:
    assert isinstance(stage.sim, GitLabSimulator)
    headers = {name.lower(): value for name, value in stage.sim.webhooks.headers(sent).items()}
    signed = SignatureVerifier([SIGNING_TOKEN.encode()], clock=stage.clock)
    assert signed.verify(headers, sent.body)
    unsigned = {name: value for name, value in headers.items() if not name.startswith("webhook-")}
    assert SignatureVerifier([SECRET.encode()], clock=stage.clock).verify(unsigned, sent.body)
    assert not signed.verify(headers, sent.body + b" ")
    known = identify(headers, sent.body)
    assert known is not None
    delivery_id, event = known
    assert delivery_id == sent.guid
    assert event in DECODED_EVENTS or event == "pipeline_hook"
    return DeliveryDecoder().decode(
        Delivery(
            forge=ForgeKind.GITLAB,
            delivery_id=delivery_id,
            event=event,
            headers={},
            body=sent.body,
            received_at=datetime(2026, 11, 23, tzinfo=UTC),
        )
    )


async def test_what_people_do_is_told(stage: BothStage) -> None:
    people, repository, pull = stage.sim.people, stage.repository, stage.pull
    opened = [event for event in received(stage) if isinstance(event, PullRequestChanged)]
    assert [(one.action, one.number, one.repository) for one in opened] == [
        (PullRequestAction.OPENED, pull.number, stage.ref)
    ]
    people.comment(pull, stage.ada, "/flowforge resolve")
    [comment] = received(stage)
    assert isinstance(comment, CommentPosted)
    assert (comment.number, comment.on_pull_request, comment.body) == (pull.number, True, "/flowforge resolve")
    assert comment.actor.id == stage.ada.id
    people.edit_comment(pull.comments[comment.comment_id], stage.ada, "/flowforge approve abc")
    assert [type(event) for event in received(stage)] == [Unused]
    people.label(pull, stage.ada, "flowforge")
    [label] = received(stage)
    assert isinstance(label, LabelAdded)
    assert (label.number, label.label, label.on_pull_request) == (pull.number, "flowforge", True)
    people.assign(pull, stage.ada, stage.sim.world.bot)
    [assigned] = received(stage)
    assert isinstance(assigned, Assigned)
    assert assigned.assignee.id == stage.sim.world.bot.id
    moved = await people.commit(repository, "feature", {"fee.py": "rate = 4\n"}, author=stage.ada)
    events = received(stage)
    [push] = [event for event in events if isinstance(event, BranchPushed)]
    [head] = [event for event in events if isinstance(event, PullRequestChanged)]
    assert (push.branch, push.after) == ("feature", moved)
    assert (head.action, head.head_sha, head.open) == (PullRequestAction.HEAD_MOVED, moved, True)
    people.close(pull, stage.ada)
    [closed] = received(stage)
    assert isinstance(closed, PullRequestChanged)
    assert (closed.action, closed.open) == (PullRequestAction.CLOSED, False)


async def test_an_emoji_under_our_note_names_the_proposal_that_the_note_shows(stage: BothStage) -> None:
    assert isinstance(stage.sim, GitLabSimulator)
    body = f"{MARKER}\n{make_offer_mark('b' * 32)}\n\nText"
    note = await stage.forge.create_comment(stage.ref, stage.thread, CommentContent(marker=MARKER, body=body))
    received(stage)
    given = stage.sim.people.award(stage.pull.comments[note], stage.ada, "rocket")
    [emoji] = received(stage)
    assert isinstance(emoji, Reacted)
    assert (emoji.author_id, emoji.actor.id) == (stage.sim.world.bot.id, stage.ada.id)
    [approve] = intents_of(emoji, mention="flowforge", digest="d" * 64)
    assert isinstance(approve, Approve)
    assert (approve.proposal_id, approve.origin.number) == ("b" * 32, stage.pull.number)
    stage.sim.people.take_back(stage.pull.comments[note], given)
    [back] = received(stage)
    assert isinstance(back, Reacted)
    assert (back.taken_back, back.reaction_id) == (True, emoji.reaction_id)
    assert intents_of(back, mention="flowforge", digest="d" * 64) == []


async def test_what_people_do_to_issues_is_told(stage: BothStage) -> None:
    people = stage.sim.people
    issue = people.open_issue(stage.repository, author=stage.ada, title="It squeaks", body="Loudly.")
    received(stage)
    people.label(issue, stage.ada, "flowforge")
    [label] = received(stage)
    assert isinstance(label, LabelAdded)
    assert (label.number, label.on_pull_request, label.title, label.body) == (
        issue.number,
        False,
        "It squeaks",
        "Loudly.",
    )
    assert label.base_ref == "main"
    people.comment(issue, stage.eve, "/flowforge help")
    [comment] = received(stage)
    assert isinstance(comment, CommentPosted)
    assert (comment.number, comment.on_pull_request) == (issue.number, False)


async def test_a_mark_counts_where_it_is_meant_for_us(stage: BothStage, store: SqlStore) -> None:
    see_marks = SeeMarks(forge=stage.forge, registry=store.registry)
    people, bot = stage.sim.people, stage.sim.world.bot
    ours = await stage.forge.create_comment(stage.ref, stage.thread, CommentContent(marker=MARKER, body=MARKER))
    theirs = people.comment(stage.pull, stage.eve, MARKER)
    assert isinstance(stage.sim, GitLabSimulator)
    received(stage)
    for comment, counts in ((stage.pull.comments[ours], True), (theirs, False)):
        stage.sim.people.award(comment, stage.ada, "rocket")
        [emoji] = received(stage)
        assert isinstance(emoji, Reacted)
        assert await see_marks(emoji) is counts
        assert not await see_marks(replace(emoji, actor=await stage.forge.bot_user("gitlab")))
    people.label(stage.pull, stage.ada, "flowforge")
    people.assign(stage.pull, stage.ada, bot)
    label, assigned = received(stage)
    assert isinstance(label, LabelAdded)
    assert isinstance(assigned, Assigned)
    assert await see_marks(replace(label, label="bug", more=("FlowForge",)))
    assert not await see_marks(replace(label, label="bug"))
    assert await see_marks(replace(label, label="bug", assignees=(label.actor, assigned.assignee)))
    assert await see_marks(replace(assigned, assignee=label.actor, more=(assigned.assignee,)))
    assert not await see_marks(replace(assigned, assignee=label.actor))
