"""The two endpoints of a sandbox: each once, with the run's own token, while the run goes on."""

import sqlite3
from dataclasses import dataclass

import httpx
import pytest

from app.system import SystemClock
from bot.model.runs import RunOutcome
from tests.app.http.web import CAP, Web
from tests.app.store.words import new_job, new_run

ARCHIVE = b"the workspace, packed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A run, seen from inside its sandbox."""

    web: Web
    run_id: str
    token: str

    def headers(self, token: str | None = None) -> dict[str, str]:
        return {"authorization": f"Bearer {token or self.token}"}

    async def fetch(self, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.web.desk.get(f"/runs/{self.run_id}/workspace", headers=headers or self.headers())

    async def send(self, content: bytes = b"the result", headers: dict[str, str] | None = None) -> httpx.Response:
        url = f"/runs/{self.run_id}/result"
        return await self.web.desk.put(url, content=content, headers=headers or self.headers())


async def sandbox(web: Web, token: str) -> Sandbox:
    job = await new_job(web.store, number=len(token))
    run = await new_run(web.store, job, token=token)
    await web.store.runs.put_workspace(run.id, ARCHIVE)
    now = SystemClock().now()
    await web.store.runs.started(run.id, owner="w", deadline=now, lease_until=now)
    return Sandbox(web=web, run_id=run.id, token=token)


async def test_a_workspace_is_handed_out_once(web: Web) -> None:
    here = await sandbox(web, "token-of-this-run")
    answer = await here.fetch()
    assert (answer.status_code, answer.content) == (200, ARCHIVE)
    assert answer.headers["content-type"] == "application/x-tar"
    assert (await here.fetch()).status_code == 403


async def test_a_result_is_taken_once(web: Web) -> None:
    here = await sandbox(web, "token-of-this-run")
    assert (await here.send(b"the first")).status_code == 204
    assert (await here.send(b"the second")).status_code == 403
    assert await web.store.runs.result(here.run_id) == b"the first"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer other", "Basic dG9rZW4=", "token-of-this-run", "Bearer token-of-this-run x"],
)
async def test_whoever_has_no_token_gets_nothing_and_takes_nothing_away(web: Web, authorization: str) -> None:
    here = await sandbox(web, "token-of-this-run")
    headers = {"authorization": authorization}
    assert (await here.fetch(headers)).status_code == 403
    assert (await here.send(headers=headers)).status_code == 403
    assert await web.store.runs.result(here.run_id) is None
    assert (await here.fetch()).status_code == 200


async def test_the_token_of_another_run_is_worth_nothing_here(web: Web) -> None:
    here, there = await sandbox(web, "token-of-this-run"), await sandbox(web, "token-of-another-run")
    assert (await here.fetch(here.headers(there.token))).status_code == 403
    assert (await here.send(headers=here.headers(there.token))).status_code == 403
    assert (await there.fetch()).status_code == 200


async def test_a_run_that_ended_or_is_to_stop_gets_nothing(web: Web) -> None:
    ended, stopping = await sandbox(web, "token-of-this-run"), await sandbox(web, "token-of-another-run")
    await web.store.runs.ended(ended.run_id, RunOutcome.TIMED_OUT, detail="")
    await web.store.runs.request_stop(stopping.run_id, RunOutcome.CANCELLED)
    for run in (ended, stopping):
        assert (await run.fetch()).status_code == 403
        assert (await run.send()).status_code == 403
        assert await web.store.runs.result(run.run_id) is None


async def test_all_refusals_look_alike(web: Web) -> None:
    here = await sandbox(web, "token-of-this-run")
    await here.fetch()
    unknown = Sandbox(web=web, run_id="0" * 32, token=here.token)
    answers = [await here.fetch(), await unknown.fetch(), await here.fetch(here.headers("other"))]
    assert len({(answer.status_code, answer.content, answer.headers["content-type"]) for answer in answers}) == 1


async def test_a_result_above_the_cap_is_413_and_the_run_may_send_a_smaller_one(web: Web) -> None:
    here = await sandbox(web, "token-of-this-run")
    assert (await here.send(b"x" * (CAP + 1))).status_code == 413
    assert (await here.send(b"x" * CAP)).status_code == 204


@pytest.mark.parametrize("run_id", ["none", "%00", "..", "0" * 31, "A" * 32, "0" * 32 + "%0a", "\u00e9" * 32])
async def test_what_can_be_no_run_never_reaches_the_database(web: Web, run_id: str) -> None:
    holder = sqlite3.connect(web.database, isolation_level=None)
    holder.execute("ALTER TABLE runs RENAME TO gone")
    headers = {"authorization": "Bearer token-of-this-run"}
    assert (await web.desk.get(f"/runs/{run_id}/workspace", headers=headers)).status_code in {403, 404}
    answer = await web.desk.put(f"/runs/{run_id}/result", content=b"x", headers=headers)
    assert answer.status_code in {403, 404, 405}
    holder.close()


async def test_without_a_database_the_guest_is_asked_to_come_again(web: Web) -> None:
    here = await sandbox(web, "token-of-this-run")
    holder = sqlite3.connect(web.database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert (await here.fetch()).status_code == 503
    assert (await here.send()).status_code == 503
    holder.execute("ROLLBACK")
    holder.close()
    assert (await here.fetch()).status_code == 200
    assert (await here.send()).status_code == 204
