"""What people approved is found again, exactly; and forgotten on request."""

from dataclasses import replace

from app.store.database import SqlStore
from bot.model.cases import RecordedFile, RecordedKey
from tests.app.store.test_jobs import events
from tests.app.store.words import OTHER, REPOSITORY, new_id, new_job, sha1, sha256

KEY = RecordedKey(path="caf\udce9/a b.py", ancestor=None, ours=sha1("ours"), theirs=sha1("theirs"))
APPROVED = RecordedFile(content=b"caf\xe9\x00\r\n", source="pull request #7, approved by @alice \ud83d")
SUBJECT = f"repository:github:{REPOSITORY.id}"


async def test_exactly_what_was_approved_is_found(store: SqlStore) -> None:
    job = await new_job(store)
    deleted = replace(KEY, theirs=None)
    await store.recorded.remember(REPOSITORY, {KEY: APPROVED}, job_id=job.id)
    assert await store.recorded.find(REPOSITORY, [KEY, deleted]) == {KEY: APPROVED}
    others = [
        replace(KEY, path="b.py"),
        replace(KEY, ancestor=KEY.ours),
        replace(KEY, ours=KEY.theirs),
        replace(KEY, ours=KEY.theirs, theirs=KEY.ours),
        replace(KEY, ancestor=KEY.ours, ours=None),
        deleted,
    ]
    assert await store.recorded.find(REPOSITORY, others) == {}
    assert await store.recorded.find(OTHER, [KEY]) == {}
    assert await store.recorded.find(REPOSITORY, []) == {}


async def test_the_newest_approval_counts_and_a_repeat_changes_nothing(store: SqlStore) -> None:
    first, second = new_id(), new_id()
    newer = RecordedFile(content=b"", source="later")
    await store.recorded.remember(REPOSITORY, {KEY: APPROVED}, job_id=first)
    await store.recorded.remember(REPOSITORY, {KEY: newer}, job_id=second)
    await store.recorded.remember(REPOSITORY, {KEY: APPROVED}, job_id=first)
    await store.recorded.remember(REPOSITORY, {}, job_id=first)
    assert await store.recorded.find(REPOSITORY, [KEY]) == {KEY: newer}
    assert await store.recorded.export(REPOSITORY) == [(KEY, APPROVED), (KEY, newer)]
    assert await store.recorded.export(OTHER) == []


async def test_more_files_than_one_query_takes_and_paths_of_any_length(store: SqlStore) -> None:
    # Each of these is longer than a page of PostgreSQL's indexes, and no two share a beginning that compresses.
    long = "/".join(sha256(str(number)) for number in range(150))
    files = {
        RecordedKey(path=f"{number}/{long}", ancestor=sha1("a"), ours=None, theirs=None): RecordedFile(
            content=str(number).encode(), source="s"
        )
        for number in range(1200)
    }
    await store.recorded.remember(REPOSITORY, files, job_id=new_id())
    assert await store.recorded.find(REPOSITORY, list(files)) == files


async def test_what_was_recorded_is_forgotten_by_path_by_job_or_whole(store: SqlStore) -> None:
    jobs = [new_id() for _ in range(2)]
    keys = [replace(KEY, path=path) for path in ("a", "b", "c")]
    for job_id in jobs:
        await store.recorded.remember(REPOSITORY, dict.fromkeys(keys, APPROVED), job_id=job_id)
    await store.recorded.remember(OTHER, {KEY: APPROVED}, job_id=jobs[0])
    await store.recorded.import_hunks(REPOSITORY, {sha256("1"): b"1", sha256("2"): b"2"}, source="cache")
    assert await store.recorded.forget(REPOSITORY, path="a") == 2
    assert await store.recorded.forget(REPOSITORY, path="b", job_id=jobs[0]) == 1
    assert await store.recorded.forget(REPOSITORY, job_id=jobs[1]) == 2
    assert await store.recorded.export(REPOSITORY) == [(keys[2], APPROVED)]
    assert await store.recorded.find_hunks(REPOSITORY, [sha256("1")]) == {sha256("1"): b"1"}
    assert await store.recorded.forget(REPOSITORY) == 3
    assert await store.recorded.find_hunks(REPOSITORY, [sha256("1")]) == {}
    assert await store.recorded.export(OTHER) == [(KEY, APPROVED)]
    told = [event for event in await events(store, SUBJECT) if event.verb == "recorded.forgotten"]
    assert [event.data["count"] for event in told] == ["2", "1", "2", "3"]


async def test_imported_hunks_are_counted_when_they_are_new_or_different(store: SqlStore) -> None:
    hunks = {sha256(str(number)): str(number).encode() for number in range(1200)}
    assert await store.recorded.import_hunks(REPOSITORY, {}, source="cache") == 0
    assert await store.recorded.import_hunks(REPOSITORY, hunks, source="cache") == 1200
    assert await store.recorded.import_hunks(REPOSITORY, hunks, source="again") == 0
    changed = {sha256("0"): b"corrected", sha256("1"): b"1", sha256("new"): b"\x00"}
    assert await store.recorded.import_hunks(REPOSITORY, changed, source="later") == 2
    assert await store.recorded.find_hunks(REPOSITORY, [*hunks, sha256("new"), "nothing"]) == hunks | changed
    assert await store.recorded.find_hunks(OTHER, list(hunks)) == {}
    assert [event.verb for event in await events(store, SUBJECT)] == ["recorded.imported"] * 3
    assert await store.audit.first_broken() is None
