"""On GitLab, where there are no buttons: a rocket under the note approves the proposal that the note shows."""

from pathlib import Path

from app.demo.model.resolver import HonestResolver
from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.state import Comment, Role
from app.demo.stage import open_stage
from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.ids import offered_in
from bot.model.proposals import ApprovalVia
from tests.contracts.gitlab import validate_record
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS, playing


async def test_a_rocket_pushes_what_the_note_shows_and_nobody_elses_does(tmp_path: Path) -> None:
    script = HonestResolver(answers={"fees.py": ANSWER})
    async with open_stage(tmp_path, script=script, forge=ForgeKind.GITLAB) as stage:
        forge = stage.host.simulator
        assert isinstance(forge, GitLabSimulator)
        people, bot = forge.people, forge.world.bot
        robin, maintainer, stranger = people.user("robin"), people.user("maintainer"), people.user("stranger")
        repository = await people.repository(
            "acme/tools/fees",
            files=BASE,
            roles={robin: Role.WRITE, maintainer: Role.MAINTAIN, stranger: Role.READ},
        )
        await people.commit(repository, "feature", OURS, author=robin)
        await people.commit(repository, "main", THEIRS, author=maintainer)
        pull = await people.open_pull_request(repository, author=robin, head="feature", title="Another rate")
        before = pull.head_sha
        people.comment(pull, maintainer, "/flowforge resolve")

        def offer() -> Comment | None:
            ours = (one for one in pull.comments.values() if one.author is bot)
            return next((one for one in ours if "<!-- flowforge:offer " in one.body), None)

        note = await forge.wait_for(offer, timeout=60, what="the offer")
        (branch,) = (ref for ref in repository.refs if ref.startswith("refs/heads/flowforge/"))
        commit = repository.refs[branch]

        people.award(people.comment(pull, stranger, note.body), maintainer, "rocket")  # a copy of our words
        people.award(note, maintainer, "thumbsup")
        people.award(note, stranger, "rocket")

        def refused() -> bool:
            others = [one for one in pull.comments.values() if one.author is bot and one is not note]
            return any("`permission`" in one.body for one in others)

        await forge.wait_for(refused, timeout=60, what="the refusal of the stranger")
        assert pull.head_sha == before

        people.award(note, maintainer, "rocket")
        await forge.wait_for(lambda: pull.head_sha == commit, timeout=60, what="the push")
        ref = RepositoryRef(
            forge=ForgeKind.GITLAB, id=repository.id, owner="acme/tools", name="fees", installation_id=0
        )
        store = stage.instance.store
        job = await store.jobs.latest(ref, pull.number)
        assert job is not None
        proposal = await store.proposals.of_job(job.id)
        assert proposal is not None
        [approval] = await store.proposals.approvals(proposal.id)
        assert (approval.via, approval.actor.id, approval.commit) == (ApprovalVia.EMOJI, maintainer.id, commit)
        assert forge.errors == []
        record = forge.record
    assert list(validate_record(record)) == []


async def test_a_rocket_counts_not_when_taken_back_nor_when_the_note_just_changed(
    tmp_path: Path,
) -> None:
    base = {**BASE, ".flowforge.yml": "version: 1\napprovals: {required: 2}\n"}
    script = HonestResolver(answers={"fees.py": ANSWER})
    async with playing(tmp_path, script, base=base, forge=ForgeKind.GITLAB) as play:
        forge = play.forge
        assert isinstance(forge, GitLabSimulator)
        before = play.pull.head_sha
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        await play.until_sticky("<!-- flowforge:offer ")
        note = next(one for one in play.ours() if "<!-- flowforge:offer " in one.body)
        rocket = forge.people.award(note, play.maintainer, "rocket")
        await play.until_sticky("Approvals: 1 of 2, by `maintainer`.")
        forge.people.take_back(note, rocket)
        await play.until_sticky("Approvals: 0 of 2.")
        play.say("/flowforge approve", who=play.author)
        await play.until_sticky("Approvals: 1 of 2, by `robin`.")
        first = note.body
        play.say("/flowforge retry")
        await forge.wait_for(
            lambda: offered_in(note.body) not in {None, offered_in(first)}, timeout=60, what="another offer"
        )
        forge.people.award(note, play.maintainer, "rocket")
        refusal = await play.until_reply("Rule: `stale`")
        sha = refusal.partition("/flowforge approve ")[2][:12]
        assert "just changed to another proposal" in refusal
        assert play.pull.head_sha == before
        play.say(f"/flowforge approve {sha}")
        play.say(f"/flowforge approve {sha}", who=play.author)
        await play.until_conclusion("success")
