"""The main job on PostgreSQL; all other scenarios play on SQLite."""

from pathlib import Path

from app.demo.model.resolver import HonestResolver
from bot.model.jobs import JobState
from tests.scenarios.play import ANSWER, Play, playing


async def read(play: Play, path: str) -> str:
    content = await play.stage.forge.read_file(play.repository, play.pull.head_sha, path)
    return "" if content is None else content.decode()


async def test_resolve_approve_rollback_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    script = HonestResolver(answers={"fees.py": ANSWER})
    async with playing(tmp_path, script, database_url=postgres_url) as play:
        assert play.stage.instance.store.engine.dialect.name == "postgresql"
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        (branch,) = play.branches()
        commit = play.repository.refs[branch]
        play.click("approve")
        await play.until_head(commit)
        await play.until_conclusion("success")
        await play.until_branches(0)
        assert await read(play, "fees.py") == ANSWER
        assert (await play.job()).state is JobState.PUBLISHED
        play.say("/flowforge rollback")
        await play.until_head(before)
        await play.until_sticky("back where it was")
        assert len([one for one in play.ours() if "flowforge:sticky" in one.body]) == 1
