"""What an organisation and a repository say, from their files to what people read and may do."""

from pathlib import Path

from app.demo.model.resolver import HonestResolver
from app.demo.simulator.state import Role
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from bot.report.effective import REQUIRED, UNBOUND
from tests.scenarios.play import ANSWER, BASE, Play, playing

HONEST = HonestResolver(answers={"fees.py": ANSWER})


async def organisation(play: Play, text: str) -> None:
    """Make the organisation's own repository, with that file."""
    await play.forge.people.repository(play.side.shared, files={"flowforge.yml": text})


async def test_what_the_organisation_says_binds_its_repositories(tmp_path: Path, forge: ForgeKind) -> None:
    base = {**BASE, ".flowforge.yml": "version: 1\nbudget_usd: 50\nmodel: sonnet\n"}
    async with playing(tmp_path, HONEST, base=base, forge=forge) as play:
        await organisation(play, "version: 1\nbudget_usd: 2\nprotected_paths: [fees.py]\nmodel: opus\n")
        play.say("/flowforge config", who=play.stranger)
        reply = await play.until_reply("| Key | Value |")
        assert f"| `budget_usd` | `2.0` | `{play.side.shared}/flowforge.yml:2` |" in reply
        assert '| `model` | `"sonnet"` | `.flowforge.yml:3` |' in reply
        play.say("/flowforge resolve --budget 3")
        refusal = await play.until_reply("Rule: `budget`")
        assert f"`budget_usd` in `{play.side.shared}/flowforge.yml:2`" in refusal


async def test_the_configuration_can_be_asked_for_under_an_issue(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        await organisation(play, "version: 1\nmodel: opus\n")
        issue = play.forge.people.open_issue(play.repository, author=play.author, title="Rates", body="Too high.")
        play.forge.people.comment(issue, play.author, "/flowforge config")
        await play.forge.wait_for(lambda: play.forge.comments(issue, play.forge.bot), what="an answer")
        (reply,) = play.forge.comments(issue, play.forge.bot)
        assert "default branch" in reply.body
        assert UNBOUND not in reply.body
        assert f'| `model` | `"opus"` | `{play.side.shared}/flowforge.yml:2` |' in reply.body


async def test_that_no_organisation_binds_a_repository_is_said_and_may_forbid_all_work(
    tmp_path: Path, forge: ForgeKind
) -> None:
    async with playing(tmp_path, HONEST, forge=forge, overrides={"require_organisation_config": True}) as play:
        play.say("/flowforge config")
        assert f"{UNBOUND} {REQUIRED}" in await play.until_reply("| Key | Value |")
        play.say("/flowforge resolve")
        refusal = await play.until_reply("Rule: `organisation`")
        assert "there is none, or FlowForge may not see it" in refusal
        assert play.check_runs() == []


async def test_a_job_runs_by_what_the_organisation_said_when_it_was_accepted(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST) as play:
        await organisation(play, "version: 1\nprotected_paths: [fees.py]\n")
        play.say("/flowforge resolve")
        sticky = await play.until_sticky("protected")
        assert "fees.py" in sticky
        assert play.branches() == set()


async def test_an_invalid_file_of_the_organisation_is_named_and_nothing_runs(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        await organisation(play, "version: 1\n\nbudget: 2\n")
        play.say("/flowforge resolve")
        refusal = await play.until_reply("Rule: `configuration`")
        assert f"`{play.side.shared}/flowforge.yml` on the default branch, line 3" in refusal
        assert "`budget_usd`" in refusal
        assert play.check_runs() == []


async def test_two_people_have_to_approve_and_it_is_said_how_many_did(tmp_path: Path) -> None:
    config = "version: 1\npaths: [{match: fees.py, tier: two_approvals}]\n"
    async with playing(tmp_path, HONEST, base={**BASE, ".flowforge.yml": config}) as play:
        play.say("/flowforge resolve")
        check = await play.until_conclusion("action_required")
        assert "(0 of 2)" in (check.title or "")
        play.say("/flowforge approve")
        await play.until_reply("This is approval 1 of 2; nothing is pushed yet.")
        sticky = await play.until_sticky("Approvals: 1 of 2, by `maintainer`.")
        assert "FlowForge" in sticky
        assert play.check_runs()[-1].conclusion == "action_required"
        play.stage.forge.people.click(play.check_runs()[-1], play.author, "approve")
        await play.until_conclusion("success")
        assert "Approved by `maintainer`, `robin`." in await play.until_sticky("Approved by")


async def test_whoever_asked_may_have_to_leave_the_approval_to_others_and_to_code_owners(tmp_path: Path) -> None:
    files = {
        ".flowforge.yml": "version: 1\napprovals: {requester_may_approve: false, codeowners: true}\n",
        ".github/CODEOWNERS": "*.py @acme/core\n",
    }
    async with playing(tmp_path, HONEST, base={**BASE, **files}) as play:
        people = play.stage.forge.people
        second = people.user("second")
        people.set_role(play.repository, second, Role.WRITE)
        people.team("acme/core", play.author)
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge approve")
        assert "You asked for this job" in await play.until_reply("Rule: `approver`")
        play.say("/flowforge approve", who=second)
        unseen = await play.until_reply("`@acme/core`")
        assert "may not see who is in one of these teams" in unseen
        permissions = {**play.stage.forge.app.permissions, "members": "read"}
        people.accept_permissions(play.repository.owner, permissions)
        play.say("/flowforge approve", who=play.author)
        await play.until_conclusion("success")


async def test_paths_of_the_tier_auto_are_pushed_when_tests_passed_and_it_is_said(tmp_path: Path) -> None:
    config = "version: 1\npaths: [{match: fees.py, tier: auto}]\ntest_command: grep -q 'RATE = 2 + 3' fees.py\n"
    async with playing(tmp_path, HONEST, base={**BASE, ".flowforge.yml": config}) as play:
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("success")
        sticky = await play.until_sticky("Nobody was asked")
        assert "tier: auto" in sticky
        assert play.pull.head_sha != before
        assert (await play.job()).state is JobState.PUBLISHED


async def test_whoever_lost_the_right_does_not_count_any_more(tmp_path: Path) -> None:
    config = "version: 1\napprovals: {required: 2}\n"
    async with playing(tmp_path, HONEST, base={**BASE, ".flowforge.yml": config}) as play:
        people = play.stage.forge.people
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        play.say("/flowforge approve")
        await play.until_reply("This is approval 1 of 2")
        people.set_role(play.repository, play.maintainer, Role.READ)
        play.say("/flowforge approve", who=play.author)
        await play.until_sticky("Approvals: 1 of 2, by `robin`.")
        assert (await play.job()).state is JobState.AWAITING_APPROVAL


async def test_in_a_pause_nothing_begins_and_nothing_is_pushed_until_it_ends(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST) as play:
        store = play.stage.instance.store
        play.say("/flowforge pause", who=play.author)
        assert "needs maintain permission" in await play.until_reply("Rule: `permission`")
        play.say("/flowforge pause release week")
        await play.until_reply("is paused in this repository")
        play.say("/flowforge resolve")
        assert "`release week`" in await play.until_reply("Rule: `paused`")
        assert play.check_runs() == []
        play.say("/flowforge resume")
        await play.until_reply("The pause of this repository is over.")
        play.say("/flowforge resolve --budget 1")
        await play.until_conclusion("action_required")
        await store.pauses.begin(None, by=None, reason="")
        play.stage.forge.people.click(play.check_runs()[-1], play.maintainer, "approve")
        await play.until_reply("paused everywhere by `an operator`")
        assert (await play.job()).state is JobState.AWAITING_APPROVAL
        assert await store.pauses.end(None, by=None)
        play.say("/flowforge approve")
        await play.until_conclusion("success")
