"""What an organisation and a repository say, from their files to what people read and may do."""

from pathlib import Path

from app.demo.model.resolver import HonestResolver
from tests.scenarios.play import ANSWER, BASE, Play, playing

HONEST = HonestResolver(answers={"fees.py": ANSWER})


async def organisation(play: Play, text: str) -> None:
    """Make the organisation's own repository, with that file."""
    await play.stage.forge.people.repository("acme/.flowforge", files={"flowforge.yml": text})


async def test_what_the_organisation_says_binds_its_repositories(tmp_path: Path) -> None:
    base = {**BASE, ".flowforge.yml": "version: 1\nbudget_usd: 50\nmodel: sonnet\n"}
    async with playing(tmp_path, HONEST, base=base) as play:
        await organisation(play, "version: 1\nbudget_usd: 2\nprotected_paths: [fees.py]\nmodel: opus\n")
        play.say("/flowforge config", who=play.stranger)
        reply = await play.until_reply("| Key | Value |")
        assert "| `budget_usd` | `2.0` | `acme/.flowforge/flowforge.yml` |" in reply
        assert '| `model` | `"sonnet"` | `.flowforge.yml` |' in reply
        play.say("/flowforge resolve --budget 3")
        refusal = await play.until_reply("Rule: `budget`")
        assert "`budget_usd` in `acme/.flowforge/flowforge.yml`" in refusal


async def test_a_job_runs_by_what_the_organisation_said_when_it_was_accepted(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST) as play:
        await organisation(play, "version: 1\nprotected_paths: [fees.py]\n")
        play.say("/flowforge resolve")
        sticky = await play.until_sticky("protected")
        assert "fees.py" in sticky
        assert play.branches() == set()


async def test_an_invalid_file_of_the_organisation_is_named_and_nothing_runs(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST) as play:
        await organisation(play, "version: 1\n\nbudget: 2\n")
        play.say("/flowforge resolve")
        refusal = await play.until_reply("Rule: `configuration`")
        assert "`acme/.flowforge/flowforge.yml` on the default branch, line 3" in refusal
        assert "`budget_usd`" in refusal
        assert play.check_runs() == []
