"""Who and what is turned away, and that the refusal names its rule."""

import json
from pathlib import Path

import pytest

from app.demo.model.resolver import HonestResolver
from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.state import Role
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from tests.scenarios.play import ANSWER, BASE, Play, playing
from tests.scenarios.sides import GitLabSide

HONEST = HonestResolver(answers={"fees.py": ANSWER})


def assert_no_model_call(play: Play) -> None:
    assert play.stage.scripted is not None
    assert play.stage.scripted.calls == []


async def test_without_write_permission_a_command_is_refused_by_rule(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge resolve", who=play.stranger)
        reply = await play.until_reply("Rule: `permission`")
        assert "needs write permission" in reply
        assert "you have read" in reply
        assert play.check_runs() == []
        assert_no_model_call(play)


async def test_the_author_of_the_pull_request_has_no_rights_by_that(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.forge.people.set_role(play.repository, play.author, Role.READ)
        play.say("/flowforge resolve", who=play.author)
        await play.until_reply("Rule: `permission`")


async def test_a_login_taken_over_by_somebody_else_has_no_rights(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        people = play.forge.people
        play.forge.webhooks.hold()
        play.say("/flowforge resolve")
        people.rename_account(play.maintainer, "maintainer-old")
        people.set_role(play.repository, people.user("maintainer"), Role.ADMIN)
        play.forge.webhooks.release()
        await play.until_reply("Rule: `permission`")
        assert_no_model_call(play)


async def test_bots_are_ignored_unless_listed(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        bot = play.forge.people.bot(play.side.bot_login)
        play.forge.people.set_role(play.repository, bot, Role.WRITE)
        play.say("/flowforge resolve", who=bot)
        play.say("/flowforge help")
        await play.until_reply("/flowforge rollback")
        assert play.check_runs() == []
        assert len(play.replies()) == 1


async def test_a_listed_bot_may_ask(tmp_path: Path, forge: ForgeKind) -> None:
    listed = {ForgeKind.GITHUB: "dependabot", ForgeKind.GITLAB: GitLabSide.bot_login}[forge]
    base = {**BASE, ".flowforge.yml": f"version: 1\nbots: [{listed}]\n"}
    async with playing(tmp_path, HONEST, base=base, forge=forge) as play:
        bot = play.forge.people.bot(play.side.bot_login)
        play.forge.people.set_role(play.repository, bot, Role.WRITE)
        play.say("/flowforge resolve", who=bot)
        await play.until_conclusion("action_required")


async def test_an_invalid_configuration_is_shown_with_line_and_key(tmp_path: Path, forge: ForgeKind) -> None:
    base = {**BASE, ".flowforge.yml": "version: 1\nprotected_path: [infra/**]\n"}
    async with playing(tmp_path, HONEST, base=base, forge=forge) as play:
        play.say("/flowforge resolve")
        reply = await play.until_reply("Rule: `configuration`")
        assert "line 2" in reply
        assert "`protected_path`" in reply
        assert "protected_paths" in reply
        assert_no_model_call(play)


async def test_the_configuration_of_the_head_does_not_count(tmp_path: Path, forge: ForgeKind) -> None:
    ours = {"fees.py": "RATE = 2\n\n\ndef fee(amount):\n    return amount * RATE\n", ".flowforge.yml": "nonsense"}
    async with playing(tmp_path, HONEST, ours=ours, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")


@pytest.mark.parametrize("body", ["> /flowforge resolve", "```\n/flowforge resolve\n```", "Say `/flowforge resolve`."])
async def test_quotes_and_code_are_no_commands(tmp_path: Path, forge: ForgeKind, body: str) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say(body)
        play.say("/flowforge help")
        await play.until_reply("/flowforge rollback")
        assert play.check_runs() == []


async def test_a_misspelt_command_gets_one_answer_with_a_suggestion(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        play.say("/flowforge reslove\n/flowforge resolve --bugdet 3")
        reply = await play.until_reply("reslove")
        assert "resolve" in reply
        assert "--budget" in reply
        assert len(play.replies()) == 1


async def test_an_edit_on_gitlab_runs_nothing_as_nobody_can_tell_what_it_added(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST, forge=ForgeKind.GITLAB) as play:
        comment = play.say("Looks good.")
        play.forge.people.edit_comment(comment, play.maintainer, "Looks good.\n\n/flowforge resolve")
        play.say("/flowforge help")
        await play.until_reply("/flowforge rollback")
        assert len(play.replies()) == 1
        assert play.check_runs() == []
        assert_no_model_call(play)


async def test_an_edit_runs_what_it_added_as_the_editor(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST) as play:
        comment = play.say("Looks good.", who=play.maintainer)
        play.forge.people.edit_comment(comment, play.stranger, "Looks good.\n\n/flowforge resolve")
        await play.until_reply("Rule: `permission`")
        assert_no_model_call(play)


async def test_a_protected_path_is_left_to_a_person_and_costs_nothing(tmp_path: Path, forge: ForgeKind) -> None:
    path = ".github/workflows/ci.yml"
    sides = [{path: f"on: push\nname: {name}\n"} for name in ("base", "ours", "theirs")]
    async with playing(tmp_path, HONEST, base=sides[0], ours=sides[1], theirs=sides[2], forge=forge) as play:
        play.say("/flowforge resolve")
        sticky = await play.until_sticky("protected")
        assert path in sticky
        assert_no_model_call(play)
        assert play.branches() == set()


async def test_modify_delete_is_left_to_a_person(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, theirs={"fees.py": None}, forge=forge) as play:
        play.say("/flowforge resolve")
        await play.until_sticky("modify/delete")
        assert (await play.job()).state is JobState.UNRESOLVED
        assert_no_model_call(play)


async def test_a_fork_we_cannot_push_to_gets_a_draft_beside_it_and_the_reason(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        people = play.forge.people
        fork = await people.fork(play.repository, people.user("outsider"))
        pull = await people.open_pull_request(
            play.repository,
            author=people.user("outsider"),
            head="feature",
            head_repository=fork,
            maintainer_can_modify=False,
        )
        play.pull = pull
        play.say(f"/flowforge ok {pull.head_sha}\n/flowforge resolve")
        await play.until_conclusion("action_required")
        await play.until_sticky("opens a draft")
        before = pull.head_sha
        sign = "#" if forge is ForgeKind.GITHUB else "!"
        play.say("/flowforge approve")
        sticky = await play.until_sticky(f"So `{sign}")
        # The token of a GitLab has no right to look into somebody's private fork.
        told = {ForgeKind.GITHUB: "does not let maintainers change", ForgeKind.GITLAB: "is not for FlowForge to see"}
        assert told[forge] in sticky
        [beside] = [one for one in play.repository.pull_requests() if one.author is play.forge.bot]
        assert (beside.draft, beside.base_ref, beside.title) == (
            True,
            "main",
            f"A change ({sign}{pull.number} with its conflicts resolved)",
        )
        assert fork.refs["refs/heads/feature"] == pull.head_sha == before
        play.say("/flowforge rollback")
        await play.until_sticky("is closed, and its branch is deleted")
        assert not beside.open


async def test_a_forged_delivery_is_turned_away(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST) as play:
        play.forge.webhooks.hold()
        play.say("/flowforge resolve")
        genuine = play.stage.forge.webhooks.deliveries[-1]
        sender = play.stage.forge.webhooks
        named = {"x-github-event": "issue_comment", "x-github-delivery": "11111111-2222-3333-4444-555555555555"}
        good = sender.sign(genuine.body)
        assert await play.deliver(genuine.body, **named) == 401
        assert await play.deliver(genuine.body, **named, **{"x-hub-signature-256": "sha256=" + "0" * 64}) == 401
        assert await play.deliver(genuine.body + b" ", **named, **{"x-hub-signature-256": good}) == 401
        assert await play.deliver(genuine.body, **named, **{"x-hub-signature-256": good.upper()}) == 401
        assert await play.deliver(genuine.body, **named, **{"x-hub-signature": "sha1=" + "0" * 40}) == 401
        reserialised = json.dumps(json.loads(genuine.body), indent=1).encode()
        assert await play.deliver(reserialised, **named, **{"x-hub-signature-256": good}) == 401
        kept = await play.stage.instance.store.deliveries.get(ForgeKind.GITHUB, named["x-github-delivery"])
        assert kept is None
        assert await play.deliver(b"x" * (26 * 1024 * 1024), **named, **{"x-hub-signature-256": good}) == 413


async def test_a_forged_delivery_of_gitlab_is_turned_away(tmp_path: Path) -> None:
    async with playing(tmp_path, HONEST, forge=ForgeKind.GITLAB) as play:
        assert isinstance(play.forge, GitLabSimulator)
        webhooks = play.forge.webhooks
        webhooks.hold()
        play.say("/flowforge resolve")
        genuine = webhooks.deliveries[-1]
        signed = play.side.headers(genuine)
        del signed["x-gitlab-token"]
        by_token = {name: value for name, value in signed.items() if not name.startswith("webhook-")}
        assert await play.deliver(genuine.body, **by_token) == 401
        assert await play.deliver(genuine.body, **by_token, **{"x-gitlab-token": "wrong"}) == 401
        token = {"x-gitlab-token": webhooks.secret}
        assert await play.deliver(genuine.body, **signed | {"webhook-signature": "v1,AAAA"}, **token) == 401
        assert await play.deliver(genuine.body + b" ", **signed) == 401
        assert await play.deliver(genuine.body, **signed | {"webhook-timestamp": "1"}) == 401
        assert await play.deliver(genuine.body, **signed | {"webhook-id": "another-one"}) == 401
        kept = await play.stage.instance.store.deliveries.get(ForgeKind.GITLAB, genuine.guid)
        assert kept is None
        assert await play.deliver(genuine.body, **by_token, **token) == 202
        await play.until_conclusion("action_required")


async def test_a_delivery_sent_twice_or_replayed_acts_once(tmp_path: Path, forge: ForgeKind) -> None:
    async with playing(tmp_path, HONEST, forge=forge) as play:
        webhooks = play.forge.webhooks
        webhooks.duplicate(play.side.comment_event)
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        sent = next(one for one in webhooks.deliveries if one.event == play.side.comment_event)
        assert await play.deliver(sent.body, **play.side.headers(sent)) == 202
        replayed = play.side.headers(sent, under="replayed-under-a-new-id")
        assert await play.deliver(sent.body, **replayed) == 202
        play.say("/flowforge help")
        await play.until_reply("/flowforge rollback")
        assert len(play.check_runs()) == 1
        assert len(play.branches()) == 1
