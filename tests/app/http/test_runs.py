"""The two endpoints of a sandbox: each once, with the run's own token, while the run goes on."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from litestar import Litestar

from app.http.runs import Uploads, runner_endpoints
from app.http.server import serving_loopback
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


async def test_a_database_that_comes_back_was_only_waited_for(web: Web) -> None:
    here = await sandbox(web, "token-of-this-run")
    patient = Litestar(
        route_handlers=runner_endpoints(web.store.runs, max_result_bytes=CAP, patience_seconds=20.0),
        openapi_config=None,
        logging_config=None,
    )
    holder = sqlite3.connect(web.database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    async with serving_loopback(patient) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        asked = asyncio.create_task(http.get(f"/runs/{here.run_id}/workspace", headers=here.headers()))
        done, _ = await asyncio.wait({asked}, timeout=0.5)
        assert done == set()
        holder.execute("COMMIT")
        assert (await asked).content == ARCHIVE
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


# --- what sandboxes may have held in memory


@dataclass(slots=True)
class Upload:
    """A request to leave a result, written piece by piece as a hostile sandbox would."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def status(self) -> int:
        """The status of the answer, however much of the request is still to come."""
        async with asyncio.timeout(60):
            return int((await self.reader.readline()).split(b" ", 2)[1])


@contextlib.asynccontextmanager
async def uploading(url: httpx.URL, run_id: str, token: str, *, length: int) -> AsyncIterator[Upload]:
    """The head of a request that announces ``length`` bytes; none of them is sent yet."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        upload = Upload(reader, writer)
        await upload.write(
            f"PUT /runs/{run_id}/result HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {length}\r\n\r\n".encode()
        )
        yield upload
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def desk(web: Web, uploads: Uploads) -> AsyncIterator[httpx.URL]:
    """The endpoints with places of their own."""
    application = Litestar(
        route_handlers=runner_endpoints(web.store.runs, max_result_bytes=CAP, uploads=uploads),
        openapi_config=None,
        logging_config=None,
    )
    async with serving_loopback(application) as url:
        yield httpx.URL(url)


@pytest.mark.parametrize("stranger", ["made-up token", "ended", "stopping", "sent already"])
async def test_who_is_refused_is_so_before_a_byte_of_the_result_is_read(web: Web, stranger: str) -> None:
    here = await sandbox(web, "token-of-this-run")
    if stranger == "ended":
        await web.store.runs.ended(here.run_id, RunOutcome.TIMED_OUT, detail="")
    elif stranger == "stopping":
        await web.store.runs.request_stop(here.run_id, RunOutcome.CANCELLED)
    elif stranger == "sent already":
        assert (await here.send()).status_code == 204
    token = "made-up" if stranger == "made-up token" else here.token
    async with uploading(web.desk.base_url, here.run_id, token, length=CAP) as upload:
        assert await upload.status() == 403


async def test_a_run_sends_one_result_at_a_time(web: Web) -> None:
    here, uploads = await sandbox(web, "token-of-this-run"), Uploads(at_once=2)
    async with (
        desk(web, uploads) as url,
        uploading(url, here.run_id, here.token, length=2) as first,
    ):
        await first.write(b"1")
        await until_taken(uploads, here.run_id)
        async with uploading(url, here.run_id, here.token, length=2) as second:
            assert await second.status() == 503
        await first.write(b"2")
        assert await first.status() == 204
    assert await web.store.runs.result(here.run_id) == b"12"


async def test_so_many_results_are_received_at_once_and_the_next_waits_for_its_turn(web: Web) -> None:
    here, there = await sandbox(web, "token-of-this-run"), await sandbox(web, "token-of-another-run")
    patient, uploads = Uploads(at_once=1), Uploads(at_once=1, wait_seconds=0.1)
    for places in (uploads, patient):
        async with desk(web, places) as url, uploading(url, here.run_id, here.token, length=2) as first:
            await until_taken(places, here.run_id)
            async with uploading(url, there.run_id, there.token, length=5) as second:
                await second.write(b"after")
                if places is uploads:
                    assert await second.status() == 503, "not for ever"
                    continue
                await until_taken(places, there.run_id)
                await first.write(b"12")
                assert await first.status() == 204
                assert await second.status() == 204
    assert await web.store.runs.result(there.run_id) == b"after"


async def test_who_sends_too_slowly_or_breaks_off_gives_the_place_away(web: Web) -> None:
    slow, gone = await sandbox(web, "token-of-this-run"), await sandbox(web, "token-of-another-run")
    uploads = Uploads(at_once=1, upload_seconds=0.3)
    async with desk(web, uploads) as url:
        async with uploading(url, slow.run_id, slow.token, length=9) as upload:
            await upload.write(b"slow")
            assert await upload.status() == 408
        async with uploading(url, gone.run_id, gone.token, length=9) as upload:
            await upload.write(b"gone")
        async with uploading(url, slow.run_id, slow.token, length=5) as upload:
            await upload.write(b"quick")
            assert await upload.status() == 204
    assert await web.store.runs.result(slow.run_id) == b"quick"
    assert await web.store.runs.result(gone.run_id) is None


async def until_taken(uploads: Uploads, run_id: str) -> None:
    """Wait until a run's result is received, or waits for its turn."""
    async with asyncio.timeout(60):
        while run_id not in uploads.runs:  # noqa: ASYNC110 - nothing of ours tells when
            await asyncio.sleep(0.01)
