"""What somebody decided on the approval page, on its way to the workers.

It travels as a delivery of our own beside those of the forges: kept in the inbox before it is answered, routed once,
tried again when a worker dies. Only the web service makes it, for whom the forge named; no webhook can, since the name
of its event is none that a door takes.
"""

import hashlib
import json
import re
from datetime import datetime
from typing import Final

from bot.errors import PayloadError
from bot.model.deliveries import Delivery
from bot.model.events import DecidedOnPage, PageDecision
from bot.model.forge import Actor, RepositoryRef
from bot.model.jobs import Job
from bot.model.proposals import Proposal, ProposalKind

EVENT: Final = "flowforge_page_decision"
"""The name of the event in the inbox."""

_PREFIX: Final = "page-"
_ID: Final = re.compile(r"[0-9a-f]{32}")


def action_id(proposal: Proposal, actor: Actor, decision: PageDecision, form: str) -> str:
    """The id of one press of a button: the same for the same form, however often it is sent."""
    said = f"{proposal.id}:{proposal.commit}:{actor.id}:{decision}:{form}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def delivery_of(action: str) -> str:
    """The id of the delivery that carries an action."""
    return f"{_PREFIX}{action}"


def to_delivery(
    job: Job, proposal: Proposal, *, actor: Actor, decision: PageDecision, action: str, at: datetime
) -> Delivery:
    """The delivery that tells the workers of a decision about exactly this proposal."""
    repository = job.request.repository
    body = {
        "repository": [repository.id, repository.owner, repository.name, repository.installation_id],
        "job": job.id,
        "proposal": proposal.id,
        "commit": proposal.commit,
        "old_head": proposal.head_sha if proposal.kind is ProposalKind.REBASE else None,
        "actor": [actor.id, actor.login],
        "decision": decision.value,
    }
    return Delivery(
        forge=repository.forge,
        delivery_id=delivery_of(action),
        event=EVENT,
        headers={},
        body=json.dumps(body).encode(),
        received_at=at,
    )


def from_delivery(delivery: Delivery) -> DecidedOnPage:
    """The event of such a delivery. Raises ``PayloadError`` for one that ``to_delivery`` did not make."""
    action = delivery.delivery_id.removeprefix(_PREFIX)
    try:
        told = json.loads(delivery.body)
        id_, owner, name, installation = told["repository"]
        actor_id, login = told["actor"]
        decided = DecidedOnPage(
            delivery_id=delivery.delivery_id,
            action_id=action,
            repository=RepositoryRef(
                forge=delivery.forge, id=id_, owner=owner, name=name, installation_id=installation
            ),
            job_id=told["job"],
            proposal_id=told["proposal"],
            commit=told["commit"],
            old_head=told["old_head"],
            decision=PageDecision(told["decision"]),
            actor=Actor(id=actor_id, login=login),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PayloadError("this is no decision of the approval page") from error
    if not all(_ID.fullmatch(part) for part in (action, decided.job_id, decided.proposal_id)):
        raise PayloadError("this is no decision of the approval page")
    return decided
