"""The approval page, from the link in the comment to the push: through the doors that browsers use, on both forges."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from app.demo.model.resolver import HonestResolver
from app.demo.simulator.state import Role
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from bot.model.proposals import ApprovalVia
from tests.scenarios.page_browser import Visitor
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS, Play, playing

HOSTILE: Final = "</pre><script>alert(1)</script>"
HOSTILE_PATH: Final = "a <img src=x onerror=alert(1)>.txt"
CONFIG: Final = "version: 1\napprovals:\n  requester_may_approve: false\n"
HONEST: Final = HonestResolver(answers={"fees.py": ANSWER})
LINK: Final = re.compile(r"\[The approval page\]\((http[^)]+)\)")


@pytest.fixture
async def play(tmp_path: Path, forge: ForgeKind) -> AsyncIterator[Play]:
    async with playing(
        tmp_path,
        HONEST,
        base={**BASE, HOSTILE_PATH: "one\n"},
        ours=OURS,
        theirs={**THEIRS, HOSTILE_PATH: f"{HOSTILE}\u202e\n", ".flowforge.yml": CONFIG},
        overrides={"direct_calls": True},
        forge=forge,
    ) as play:
        yield play


async def proposed(play: Play) -> str:
    """Ask for a resolution; the address in the comment that offers it."""
    play.say("/flowforge resolve")
    found = LINK.search(await play.until_sticky("approval page"))
    assert found is not None
    return found[1]


async def test_a_link_leads_through_the_forges_sign_in_to_one_push(play: Play) -> None:
    url = await proposed(play)
    owner = play.forge.people.user("owner")
    play.forge.people.set_role(play.repository, owner, Role.ADMIN)
    commit = play.repository.refs[next(iter(play.branches()))]
    async with Visitor(owner) as visitor, Visitor(play.maintainer) as asker, Visitor(play.stranger) as reader:
        assert await visitor.open(url) == 200
        assert "Sign in with" in visitor.words
        assert "fees.py" not in visitor.words
        assert await visitor.sign_in(url) == 200
        assert visitor.seen().buttons == ["approve", "discard"]
        assert commit in visitor.words
        assert "RATE = 2 + 3" in visitor.words
        # Whatever stands in the repository stays words.
        assert HOSTILE in visitor.words
        assert HOSTILE_PATH in visitor.words
        assert "<script" not in visitor.page.text
        assert "<img" not in visitor.page.text
        assert "<mark>U+202E</mark>" in visitor.page.text

        # Who asked may not approve here, who only reads may do nothing; both are told why.
        await asker.sign_in(url)
        assert asker.seen().buttons == ["discard"]
        assert "You cannot approve this:" in asker.words
        await reader.sign_in(url)
        assert reader.seen().buttons == []
        assert "needs write permission" in reader.words

        sent = {**visitor.seen().fields, "decision": "approve"}
        assert await visitor.post(sent) == 200
        assert await visitor.post(sent) == 200
        await play.until_head(commit)
        await play.until_sticky("conflicts resolved")
        await play.until_branches(0)
        await visitor.open(str(visitor.page.url))
        assert "Your decision counts." in visitor.words
        assert visitor.seen().buttons == []
        secrets = [one.secret for one in play.forge.site.oauth.clients.values()]
        assert not any(secret in text for secret in secrets for text in [*visitor.visited, visitor.page.text])
    job = await play.job()
    proposal = await play.stage.instance.store.proposals.of_job(job.id)
    assert proposal is not None
    [approval] = await play.stage.instance.store.proposals.approvals(proposal.id)
    assert (approval.via, approval.actor.id, approval.commit) == (ApprovalVia.PAGE, owner.id, commit)
    assert await play.stage.instance.store.shown_diffs.get(proposal.id) is None
    assert play.forge.site.oauth.spent == 3


async def learns_nothing(play: Play, url: str) -> None:
    """Who may not read the repository sees what they see of a proposal that is none."""
    unknown = f"{url[:-32]}{'0' * 32}"
    async with Visitor(play.forge.people.user("nobody")) as visitor:
        assert await visitor.sign_in(unknown) == 404
        not_there = visitor.page.text.replace(unknown[-32:], "")
        assert await visitor.open(url) == 404
        assert visitor.page.text.replace(url[-32:], "") == not_there
        assert await visitor.open(f"{play.stage.web_url}/proposals/gitlab-other/{url[-32:]}") == 404
        assert await visitor.open(f"{url}/../../etc") == 404


async def moves(play: Play, url: str) -> None:
    """The head moves between the look and the yes: nothing is pushed, and the page says why."""
    play.forge.webhooks.hold()
    async with Visitor(play.author) as visitor:
        await visitor.sign_in(url)
        fields = visitor.seen().fields
        moved = await play.push({"README.md": "# other\n"}, branch="feature")
        assert await visitor.post({**fields, "decision": "approve"}) == 200
        play.forge.webhooks.release()
        await play.until_reply("Rule: `stale`")
        await visitor.open(str(visitor.page.url))
        assert "Your decision was not carried out" in visitor.words
        assert play.pull.head_sha == moved


async def test_what_others_send_is_worth_nothing_and_what_moved_meanwhile_is_not_pushed(play: Play) -> None:
    url = await proposed(play)
    kind = play.side.kind.value
    async with Visitor(play.author) as visitor, Visitor(play.stranger) as other, Visitor(play.author) as stranger:
        await visitor.open(f"{url}/sign-in")
        answer = await visitor.http.get(visitor.chosen())
        back = answer.headers["location"]
        # Another browser brings the answer, then this one with another state, then this one twice.
        assert await other.open(back) == 403
        assert await visitor.open(re.sub("state=[^&]+", "state=made-up", back)) == 403
        assert await visitor.open(back) == 200
        assert await visitor.open(back) == 403
        assert await visitor.open(f"{play.stage.web_url}/sign-in/{kind}?code=x&state=y") == 403
        # A code that was used is refused by the forge, whoever brings it.
        await stranger.open(f"{url}/sign-in")
        state = re.search("state=([^&]+)", str(stranger.page.url))
        assert state is not None
        assert await stranger.open(re.sub("state=[^&]+", state[0], back)) == 403

        await visitor.open(url)
        form = {**visitor.seen().fields, "decision": "approve"}
        await other.sign_in(url)
        assert await other.post(form) == 403
        await visitor.open(url)
        for wrong in ({"token": ""}, {"token": "a" * 43}, {"commit": "f" * 40}, {"form": "x"}, {"decision": "push"}):
            await visitor.open(url)
            assert await visitor.press(**{"decision": "approve", **wrong}) == 403
        await visitor.open(url)
        assert await visitor.post(form, origin="https://evil.example") == 403
        assert await visitor.post({**form, "more": "x" * 5_000}) == 413
    job = await play.job()
    assert job.state is JobState.AWAITING_APPROVAL
    proposal = await play.stage.instance.store.proposals.of_job(job.id)
    assert proposal is not None
    assert await play.stage.instance.store.proposals.approvals(proposal.id) == ()
    await learns_nothing(play, url)
    await moves(play, url)
