"""Several forges in one instance: each by its own name, none in the way of another; one that is gone ends its work."""

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

import httpx
from sqlalchemy import text

from app.demo.simulator.server import Simulator
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.forge import RepositoryRef
from bot.model.jobs import JobState
from bot.model.levels import LevelKind, PullKey
from bot.model.reports import CommentContent, Surface
from tests.app.store.backends import Lender
from tests.app.store.words import CONFIG, new_id, request
from tests.bot.handlers.bench import SECRET as BENCH_SECRET
from tests.bot.handlers.bench import Bench, open_bench

SECOND = "github-second"
SECRET = "the webhook secret of the second App"
GONE = "gitlab-gone"


async def deliver_again(bench: Bench, event: str, *, secret: str) -> int:
    """Have the maintainer's newest delivery of an event come from the second App as well, under the same id."""
    await bench.arrived()
    sent = next(
        one
        for one in reversed(bench.sim.webhooks.deliveries)
        if one.event == event and f'"login":"{bench.maintainer.login}"'.encode() in one.body.replace(b" ", b"")
    )
    headers = {
        "x-github-delivery": sent.guid,
        "x-github-event": event,
        "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), sent.body, hashlib.sha256).hexdigest(),
    }
    url = (bench.sim.webhooks.url or "").replace("/webhooks/github", f"/webhooks/{SECOND}")
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        return (await http.post(url, content=sent.body, headers=headers)).status_code


def second_app(directory: Path, sim: Simulator) -> dict[str, object]:
    """The same App under another name: all its numbers are those of the first."""
    (directory / "key").write_text(sim.app.private_key_pem)
    (directory / "hooks").write_text(SECRET)
    entry = {
        "name": SECOND,
        "kind": "github",
        "url": sim.base_url,
        "api_url": sim.base_url,
        "app_id": sim.app.id,
        "app_slug": sim.app.slug,
        "private_key_file": directory / "key",
        "webhook_secrets_file": directory / "hooks",
    }
    return {"forges": [entry]}


async def clicks(bench: Bench) -> list[tuple[str, str]]:
    """The forges on which somebody clicked, and what was asked for."""
    async with bench.store.engine.connect() as connection:
        found = await connection.execute(text("SELECT key, name FROM intents WHERE key LIKE '%:click:%'"))
        return [(row.key.partition(":")[0], row.name) for row in found]


async def test_two_apps_have_the_same_numbers_and_no_work_in_common(databases: Lender, tmp_path: Path) -> None:
    async with open_bench(
        tmp_path / "bench", await databases.fresh(), overrides=lambda sim: second_app(tmp_path, sim)
    ) as bench:
        first = await bench.until_running()
        assert await deliver_again(bench, "issue_comment", secret=BENCH_SECRET) == 401
        assert await deliver_again(bench, "issue_comment", secret=SECRET) == 202
        await bench.work()
        second = await bench.store.jobs.latest(replace(bench.ref, forge=SECOND), bench.pull.number)
        assert second is not None
        assert (second.state, second.request.repository) == (JobState.RUNNING, replace(bench.ref, forge=SECOND))
        assert (await bench.job()).id == first.id != second.id
        mirrors = {path.parent.name for path in bench.settings.data_dir.glob("mirrors/*/*.git")}
        assert mirrors == {"github", SECOND}
        # A click on what one App showed is none on what the other did.
        theirs = next(run for run in bench.check_runs if run.external_id.startswith(second.id))
        bench.sim.people.rerequest(theirs, bench.maintainer)
        await bench.work()
        assert await clicks(bench) == []
        assert await deliver_again(bench, "check_run", secret=SECRET) == 202
        await bench.work()
        assert await clicks(bench) == [(SECOND, "retry")]
        assert bench.errors == []


async def test_work_at_a_forge_that_is_not_configured_any_more_comes_to_an_end(bench: Bench) -> None:
    gone = RepositoryRef(forge=GONE, id=bench.ref.id, owner="acme", name="fees", installation_id=0)
    store = bench.store
    await store.registry.config_version(gone, CONFIG, "version: 1\n")
    job = await store.jobs.create(request(repository=gone), job_id=new_id())
    assert job is not None
    content = CommentContent(marker="m", body="m")
    await store.reports.want(gone, 7, "a reply", Surface.REPLY, content)
    await store.deliveries.add(
        Delivery(
            forge=GONE, delivery_id="d-1", event="note_hook", headers={}, body=b"{}", received_at=bench.clock.now()
        )
    )
    pull = str(PullKey(forge=GONE, repository_id=gone.id, number=7))
    await store.levels.raise_(LevelKind.PR_SYNC, pull)
    await store.levels.raise_(LevelKind.BASE_SYNC, f"{GONE}:{gone.id}:main")
    await bench.work()
    ended = await store.jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.rule) == (JobState.FAILED, "gone")
    delivery = await store.deliveries.get(GONE, "d-1")
    assert delivery is not None
    assert delivery.state is DeliveryState.DEAD
    assert await bench.due() == []
    assert await store.reports.unreported(bench.clock.now(), limit=9) == []


async def test_a_reply_goes_to_the_thread_that_was_spoken_in(bench: Bench) -> None:
    issue = bench.sim.people.open_issue(bench.repository, author=bench.author, title="A question")
    bench.sim.people.comment(issue, bench.maintainer, "/flowforge help")
    bench.say("/flowforge help")
    await bench.work()
    async with bench.store.engine.connect() as connection:
        rows = await connection.execute(text("SELECT number, thread FROM report_targets WHERE surface = 'reply'"))
        assert {tuple(row) for row in rows} == {(issue.number, "issue"), (bench.pull.number, "pull")}
