"""What nested groups say binds the projects in them: each level's file is read, and the outer ones bound the inner."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.store.database import SqlStore
from bot.config_keys import CONFIG_PATH
from bot.handlers.configuration import load_config
from tests.app.store.words import CountedIds
from tests.contracts.both import BothStage, on_gitlab

OUTER, INNER = "acme/flowforge", "acme/tools/flowforge"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BothStage]:
    async with on_gitlab(tmp_path / "sim") as opened:
        await opened.sim.people.commit(opened.repository, "main", {CONFIG_PATH: None}, author=opened.ada)
        yield opened


@pytest.fixture
async def store(database_url: str, stage: BothStage) -> AsyncIterator[SqlStore]:
    opened = SqlStore.open(database_url, stage.clock, CountedIds())
    yield opened
    await opened.close()


async def put(stage: BothStage, project: str, text: str) -> None:
    await stage.sim.people.repository(project, files={"flowforge.yml": text})


async def test_the_files_of_all_groups_around_a_project_count_the_outermost_first(
    stage: BothStage, store: SqlStore
) -> None:
    assert await stage.forge.shared_config(stage.ref) == ()
    await put(stage, INNER, "version: 1\nbudget_usd: 5\nmodel: opus\nprotected_paths: [infra/**]\n")
    await put(stage, OUTER, "version: 1\nbudget_usd: 3\nmodel: haiku\nprotected_paths: [keys/**]\n")
    await put(stage, "other/flowforge", "version: 1\nbudget_usd: 1\n")
    files = await stage.forge.shared_config(stage.ref)
    assert [one.path for one in files] == [f"{OUTER}/flowforge.yml", f"{INNER}/flowforge.yml"]

    loaded = await load_config(stage.ref, base_ref="main", forge=stage.forge, registry=store.registry)
    assert loaded.config is not None
    assert loaded.effective is not None
    # Nothing inside may exceed what the outermost group allows; a choice is made by whoever is nearest.
    assert loaded.config.budget_usd == 3
    assert loaded.effective.sources["budget_usd"] == f"{OUTER}/flowforge.yml:2"
    assert {"infra/**", "keys/**"} <= set(loaded.config.protected_paths)
    assert loaded.effective.sources["model"] == f"{INNER}/flowforge.yml:3"


async def test_an_invalid_file_of_one_level_is_named_with_its_level(stage: BothStage, store: SqlStore) -> None:
    await put(stage, OUTER, "version: 1\n")
    await put(stage, INNER, "version: 1\nbudget: 5\n")
    loaded = await load_config(stage.ref, base_ref="main", forge=stage.forge, registry=store.registry)
    assert loaded.config is None
    assert loaded.error is not None
    assert loaded.error.path == f"{INNER}/flowforge.yml"
