"""The rows of approvals: append-only, each with an audit event."""

from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import audit
from app.store.engine import Database
from app.store.tables import approvals, proposals
from bot.model.forge import Actor
from bot.model.proposals import Approval, ApprovalVia, ProposalState
from bot.ports.system import Clock


async def keep(database: Database, clock: Clock, approval: Approval, *, whole: bool) -> None:
    """Keep an approval; with the ``whole``, settle the proposal as approved.

    A second time it changes nothing while it stands: whoever told it died before it counted.
    """
    undecided = (proposals.c.id == approval.proposal_id) & (proposals.c.state != ProposalState.APPROVED)
    change = update(proposals).where(undecided).values(state=ProposalState.APPROVED)
    async with database.writing() as connection:
        changed = whole and (await connection.execute(change)).rowcount == 1
        if not changed and approval in await _standing(connection, approval.proposal_id):
            return
        await _add(connection, clock, approval)


async def withdraw(database: Database, clock: Clock, approval: Approval) -> None:
    """Write down that an approval does not count any more; once."""
    async with database.writing() as connection:
        if approval in await _standing(connection, approval.proposal_id):
            await _add(connection, clock, approval, withdrawn=True)


async def standing(database: Database, proposal_id: str) -> tuple[Approval, ...]:
    """Of each actor the newest approval, in their order, without withdrawn ones."""
    async with database.reading() as connection:
        return tuple(await _standing(connection, proposal_id))


async def _add(connection: AsyncConnection, clock: Clock, approval: Approval, *, withdrawn: bool = False) -> None:
    now = clock.now()
    unasked = approval.via is ApprovalVia.CONFIGURATION
    row = insert(approvals).values(
        proposal_id=approval.proposal_id,
        actor_id=approval.actor.id,
        actor_login=approval.actor.login,
        actor_kind=approval.actor.kind,
        via=ApprovalVia.WITHDRAWN if withdrawn else approval.via,
        permission=approval.permission,
        commit=approval.commit,
        diff_sha256=approval.diff_sha256,
        created_at=now,
        old_head=approval.old_head,
    )
    await connection.execute(row)
    data = {
        "via": approval.via.value,
        "permission": approval.permission,
        "commit": approval.commit,
        "diff_sha256": approval.diff_sha256,
        **({} if approval.old_head is None else {"old_head": approval.old_head}),
    }
    await audit.append(
        connection,
        now,
        actor="configuration" if unasked else audit.by(approval.actor),
        verb="proposal.approval_withdrawn" if withdrawn else "proposal.approved",
        subject=f"proposal:{approval.proposal_id}",
        data=data,
    )


async def _standing(connection: AsyncConnection, proposal_id: str) -> list[Approval]:
    query = select(approvals).where(approvals.c.proposal_id == proposal_id).order_by(approvals.c.serial)
    newest: dict[int, Row[Any]] = {}
    for row in await connection.execute(query):
        newest.pop(row.actor_id, None)
        newest[row.actor_id] = row
    return [_approval(row) for row in newest.values() if row.via is not ApprovalVia.WITHDRAWN]


def _approval(row: Row[Any]) -> Approval:
    return Approval(
        proposal_id=row.proposal_id,
        actor=Actor(id=row.actor_id, login=row.actor_login, kind=row.actor_kind),
        via=row.via,
        permission=row.permission,
        commit=row.commit,
        diff_sha256=row.diff_sha256,
        old_head=row.old_head,
    )
