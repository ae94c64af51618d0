"""A decision of the approval page keeps its meaning on its way through the inbox, and nothing else passes for one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import PayloadError
from bot.intents import intents_of
from bot.model.deliveries import Delivery
from bot.model.events import PageDecision
from bot.model.forge import Actor
from bot.model.ids import page_key
from bot.model.intents import Approve, Reject
from bot.model.jobs import JobState
from bot.model.proposals import ProposalKind
from bot.page_decisions import EVENT, action_id, delivery_of, from_delivery, to_delivery
from tests.bot.report.parts import PROPOSAL, job

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Actor(id=7, login="ada")
DIGEST = "d" * 64
JOB = job(JobState.AWAITING_APPROVAL)


def sent(decision: PageDecision, *, actor: Actor = ADA, kind: ProposalKind = ProposalKind.MERGE) -> Delivery:
    shown = replace(PROPOSAL, kind=kind)
    action = action_id(shown, actor, decision, "a form")
    return to_delivery(JOB, shown, actor=actor, decision=decision, action=action, at=NOON)


@given(login=st.text(), id_=st.integers(1, 2**62))
def test_an_approval_is_bound_to_the_commit_the_proposal_and_the_person(login: str, id_: int) -> None:
    shown, actor = PROPOSAL, Actor(id=id_, login=login)
    event = from_delivery(sent(PageDecision.APPROVE, actor=actor))
    [intent] = intents_of(event, mention="flowforge", digest=DIGEST)
    assert isinstance(intent, Approve)
    assert (intent.sha, intent.proposal_id, intent.old_head, intent.on_page) == (shown.commit, shown.id, None, True)
    assert (intent.origin.actor, intent.origin.job_id) == (actor, JOB.id)
    assert intent.origin.key == page_key(JOB.request.repository.forge, event.action_id)


def test_a_rebase_names_the_head_that_it_replaces_and_a_discard_nothing() -> None:
    [rebase] = intents_of(
        from_delivery(sent(PageDecision.APPROVE, kind=ProposalKind.REBASE)), mention="flowforge", digest=DIGEST
    )
    [discard] = intents_of(from_delivery(sent(PageDecision.DISCARD)), mention="flowforge", digest=DIGEST)
    assert isinstance(rebase, Approve)
    assert rebase.old_head == PROPOSAL.head_sha
    assert isinstance(discard, Reject)
    assert discard.proposal_id == PROPOSAL.id


def test_one_form_of_one_person_is_one_action() -> None:
    shown = PROPOSAL
    first = action_id(shown, ADA, PageDecision.APPROVE, "form")
    assert first == action_id(shown, ADA, PageDecision.APPROVE, "form")
    others = [
        action_id(replace(shown, commit="f" * 40), ADA, PageDecision.APPROVE, "form"),
        action_id(shown, Actor(id=8, login="ada"), PageDecision.APPROVE, "form"),
        action_id(shown, ADA, PageDecision.DISCARD, "form"),
        action_id(shown, ADA, PageDecision.APPROVE, "another form"),
    ]
    assert len({first, *others}) == len(others) + 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b"\xff", b'{"repository": 1}', b'{"repository": [1, "a", "b", 2], "actor": 3}']
)
def test_other_bodies_are_no_decisions(body: bytes) -> None:
    with pytest.raises(PayloadError):
        from_delivery(replace(sent(PageDecision.APPROVE), body=body))


def test_other_ids_are_no_actions() -> None:
    with pytest.raises(PayloadError):
        from_delivery(replace(sent(PageDecision.APPROVE), delivery_id=delivery_of("../..")))


def test_no_webhook_can_bring_one() -> None:
    from bot.forges.github import deliveries as github  # noqa: PLC0415
    from bot.forges.gitlab import deliveries as gitlab  # noqa: PLC0415

    assert EVENT not in github.DECODED_EVENTS | gitlab.DECODED_EVENTS
