"""A label or an assignment that a pull request is opened with asks once, whether the forge tells of it apart or not."""

import pytest
from sqlalchemy import text

from app.demo.simulator.state import Account
from bot.model.jobs import JobState
from tests.bot.handlers.bench import ForgeBench


async def born(bench: ForgeBench, *labels: str, author: Account | None = None, assigned: bool = False) -> None:
    """Another pull request of the same branch, with marks from the beginning."""
    bench.sim.people.close(bench.pull, bench.author)
    await bench.work()
    bench.pull = await bench.sim.people.open_pull_request(
        bench.repository,
        author=author or bench.maintainer,
        head="feature",
        labels=labels,
        assignees=(bench.sim.bot,) if assigned else (),
    )
    await bench.work()


async def asked(bench: ForgeBench) -> list[tuple[str, str]]:
    async with bench.store.engine.connect() as connection:
        rows = await connection.execute(text("SELECT name, decision FROM intents WHERE key LIKE '%:mark:%'"))
        return [(row.name, row.decision) for row in rows]


@pytest.mark.parametrize("marks", [{"labels": ("bug", "FlowForge")}, {"assigned": True}], ids=["label", "assignment"])
async def test_a_mark_from_the_beginning_asks_once(either: ForgeBench, marks: dict[str, object]) -> None:
    labels: tuple[str, ...] = marks.get("labels", ())  # type: ignore[assignment]
    await born(either, *labels, assigned="assigned" in marks)
    job = await either.job()
    assert (job.state, job.request.requested_by.login) == (JobState.RUNNING, either.maintainer.login)
    # Another label later, and new commits, tell of the first one again; the same delivery may come again as well.
    either.sim.people.label(either.pull, either.maintainer, "urgent")
    for sent in list(either.sim.webhooks.deliveries):
        await either.tick("delivery", f"{either.ref.forge}:{sent.guid}")
    await either.work()
    assert await asked(either) == [("resolve", "allowed")]
    assert (await either.job()).id == job.id
    assert either.errors == []


async def test_the_label_of_somebody_without_permission_is_refused_with_a_word(either: ForgeBench) -> None:
    await born(either, "flowforge", author=either.stranger)
    [said] = either.comments
    assert "Rule: `permission`" in said
    assert await asked(either) == [("resolve", "refused")]


async def test_a_mark_by_ourselves_or_of_others_asks_nothing(either: ForgeBench) -> None:
    await born(either, "bug")
    await born(either, "flowforge", author=either.sim.bot)
    assert (await asked(either), either.comments) == ([], [])
