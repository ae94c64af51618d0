"""What there is after an hour, on the forge and in the database, without what depends on times and made-up ids."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select, text

from app.demo.simulator.state import PullRequest
from app.store.tables import approvals, git_operations, intents, jobs, proposals, runs
from app.store.watch_tables import watched_pulls
from bot.model.jobs import TERMINAL
from tests.fuzz.hour import Hour

_HEX: Final = re.compile(r"\b[0-9a-f]{7,64}\b")
_TIMES: Final = re.compile(r"(\b\d+ h )?\b\d+(\.\d+)? (ms|s|min)\b|\b\d{4}-\d\d-\d\d[T ][\d:.+Z-]*")
_WAITS: Final = re.compile(r"\n\nBefore it merges, the forge still waits: [^\n]*\.")
"""What a late ``status`` is told differs: it is of the moment when the answer is given."""

State = Mapping[str, Any]


def words(told: str | None) -> str:
    """A text without ids, times and what is of the moment."""
    return _TIMES.sub("<time>", _HEX.sub("<id>", _WAITS.sub("", told or "")))


async def state_of(hour: Hour) -> State:
    """Everything that people and the next hour could see."""
    return {"forge": await _forge(hour), "database": await _database(hour)}


async def _forge(hour: Hour) -> State:
    sim, repository = hour.sim, hour.bench.repository
    trees = await _trees(hour)
    checks = Counter(
        (
            trees.get(check.head_sha, "unknown"),
            check.name,
            check.status,
            check.conclusion,
            words(check.title),
            words(check.summary),
            tuple(str(action["identifier"]) for action in check.actions),
        )
        for check in sim.check_runs(repository)
    )
    return {
        "refs": Counter((words(ref.replace("-", "/")), trees[sha]) for ref, sha in repository.refs.items()),
        "pulls": {number: _pull(pull, trees) for number, pull in hour.pulls.items()},
        "checks": checks,
    }


def _pull(pull: PullRequest, trees: Mapping[str, str]) -> State:
    return {
        "open": pull.open,
        "merged": pull.merged_at is not None,
        "head": trees[pull.head_sha],
        "comments": Counter(
            (
                comment.author.login,
                words(comment.body),
                tuple(sorted((one.account.login, one.content) for one in comment.reactions)),
            )
            for comment in pull.comments.values()
        ),
    }


async def _trees(hour: Hour) -> dict[str, str]:
    """By commit, its tree and those of its parents: commits of ours have the time in them."""
    lines = await hour.sim.git(hour.bench.repository, "log", "--all", "--format=%H %T %P")
    rows = [line.split() for line in lines.splitlines()]
    tree = {sha: of for sha, of, *_ in rows}
    return {sha: " ".join([of, *(tree[parent] for parent in parents)]) for sha, of, *parents in rows}


async def _database(hour: Hour) -> State:
    async with hour.bench.store.engine.connect() as connection:
        made = (await connection.execute(select(jobs).order_by(jobs.c.serial))).all()
        number = {row.id: row.number for row in made}
        proposed = (await connection.execute(select(proposals))).all()
        of_job = {row.id: number[row.job_id] for row in proposed}
        said = (await connection.execute(select(approvals))).all()
        pushed = (await connection.execute(select(git_operations))).all()
        asked = (await connection.execute(select(intents))).all()
        watched = (await connection.execute(select(watched_pulls))).all()
        ran = (await connection.execute(select(runs.c.id))).all()
        due = (await connection.execute(text("SELECT count(*) FROM levels WHERE generation > done"))).scalar_one()
        unwritten = text(
            "SELECT count(*) FROM report_targets WHERE reported_hash IS NULL OR reported_hash != desired_hash"
        )
        unsaid = (await connection.execute(unwritten)).scalar_one()
    return {
        "jobs": Counter((row.number, row.kind, row.state, row.rule, words(row.message)) for row in made),
        "unconcluded": Counter(row.number for row in made if row.state in TERMINAL and row.conclude_at is not None),
        "held": Counter(row.number for row in made if row.lease_owner is not None),
        "proposals": Counter((number[row.job_id], row.kind, row.state, row.tree) for row in proposed),
        "approvals": Counter((of_job[row.proposal_id], row.actor_login, row.via) for row in said),
        "pushes": Counter(
            (number[row.job_id], row.operation, words(row.ref.replace("-", "/")), row.status) for row in pushed
        ),
        "intents": Counter((row.name, row.actor_login, row.decision, row.rule, words(row.message)) for row in asked),
        "watched": {
            row.number: (row.is_open, row.base_ref, row.state, row.alarm, bool(row.told_head)) for row in watched
        },
        "runs": len(ran),
        "levels due": due,
        "reports due": unsaid,
    }
