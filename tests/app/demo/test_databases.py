"""``flowforge demo --database postgresql``: on a server of its own, and beside what is in somebody's database."""

import json
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.store.database import SqlStore
from app.store.engine import Database, create_engine
from app.store.schemas import own_schema
from bot.errors import SettingsError
from tests.app.demo.test_demo import demo, files_in
from tests.app.store.words import CountedIds, HandClock, delivery
from tests.postgres import own_server

PASSWORD = "hunter2"


@pytest.fixture
async def theirs(postgres_url: str) -> str:
    """A database with a real installation's rows; its URL has a password, which this server does not ask for."""
    store = SqlStore.open(postgres_url, HandClock(), CountedIds())
    await store.deliveries.add(delivery("theirs"))
    await store.close()
    return make_url(postgres_url).set(password=PASSWORD).render_as_string(hide_password=False)


async def rows_of(url: str) -> tuple[list[str], set[str], list[str]]:
    """The deliveries and jobs in the tables that were there before, and the schemas that are none of PostgreSQL's."""
    database = Database(create_engine(url))
    try:
        async with database.reading() as connection:
            deliveries = await connection.execute(text("SELECT delivery_id FROM public.deliveries"))
            jobs = await connection.execute(text("SELECT id FROM public.jobs"))
            schemas = await connection.execute(
                text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
            )
            return list(jobs.scalars()), set(schemas.scalars()), list(deliveries.scalars())
    finally:
        await database.close()


def test_it_starts_a_postgresql_by_itself(tmp_path: Path) -> None:
    with own_server(durable=False):
        pass  # it can be started here
    temporary, kept = tmp_path / "tmp", tmp_path / "kept"
    temporary.mkdir()
    status, document, said = demo(temporary, "--database", "postgresql", "--keep", str(kept))
    assert status == 0, said
    assert (document["ok"], document["database"]) == (True, "postgresql")
    assert all(step["ok"] for step in document["steps"])
    assert document["pull_request"]["head_after_rollback"] == document["pull_request"]["head_before"]
    assert ", started by the demo" in said
    written = (kept / "flowforge.sql").read_text(encoding="utf-8")
    assert document["proposal"]["commit"] in written
    assert not (kept / "flowforge.db").exists()
    assert files_in(temporary) == []


async def test_it_writes_nothing_into_what_is_there(theirs: str, tmp_path: Path) -> None:
    status, document, said = demo(
        tmp_path, "--database", "postgresql", "--until", "proposed", variables={"DATABASE_URL": theirs}
    )
    assert status == 0, said
    assert (document["ok"], document["database"]) == (True, "postgresql")
    assert "as DATABASE_URL says" in " ".join(said.split())
    assert PASSWORD not in said + json.dumps(document)
    assert await rows_of(theirs) == ([], {"public"}, ["theirs"])


async def test_what_is_kept_is_a_schema_that_is_named(theirs: str, tmp_path: Path) -> None:
    status, _, said = demo(
        tmp_path,
        *("--database", "postgresql", "--until", "accepted", "--keep", str(tmp_path / "kept")),
        variables={"DATABASE_URL": theirs},
    )
    assert status == 0, said
    jobs, schemas, deliveries = await rows_of(theirs)
    (schema,) = schemas - {"public"}
    assert f"The rows are left in the schema {schema}." in " ".join(said.split())
    assert PASSWORD not in said
    assert (jobs, deliveries) == ([], ["theirs"])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///x.db", "this is no PostgreSQL"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/d", "the database did not answer"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/d?wrong={PASSWORD}", "parameters that are not known: wrong"),
        (PASSWORD, "cannot be read"),
    ],
)
def test_a_url_that_is_no_use_is_a_sentence(tmp_path: Path, url: str, message: str) -> None:
    status, document, said = demo(tmp_path, "--database", "postgresql", variables={"DATABASE_URL": url})
    assert (status, document) == (1, {})
    said = " ".join(said.replace("│", " ").split())
    assert "DATABASE_URL" in said
    assert message in said
    assert "Traceback" not in said
    assert PASSWORD not in said


async def test_an_own_schema_goes_even_when_the_work_in_it_fails(theirs: str) -> None:
    async def fail() -> None:
        async with own_schema(theirs, prefix="flowforge_test") as schema:
            assert schema.name in (await rows_of(theirs))[1]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await rows_of(theirs))[1] == {"public"}


async def test_a_file_has_no_schemas() -> None:
    with pytest.raises(SettingsError):
        async with own_schema("sqlite:///x.db", prefix="flowforge_test"):
            pass
