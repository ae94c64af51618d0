"""What people do in a trial, and what they wait for; each story is the same whether the service dies or not."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.demo import sample
from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from app.demo.model.worker import HonestWorker
from app.demo.simulator.state import Issue, PullRequest
from tests.crash.rest import until_quiet
from tests.crash.world import Files, Fork, World

FEES = "RATE = {rate}\n\n\ndef fee(amount):\n    return amount * RATE\n"
DAYS = 7
LONG = 200.0


def _version(number: str) -> str:
    return f'"""Fees."""\n\n__version__ = "{number}"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Files, the model's words, and the people's part.

    Names of points that come up in the stories ``after`` which it comes are tried there; those that hold one of the
    words of ``again`` are tried here as well, for here they mean something else. ``deaths`` is how many of a job's
    workers may die before it is given up, or a little less. With ``gateway_dies`` it is the gateway that is killed, at
    points of its own. ``fork`` is the kind of fork that the pull request comes from, if any.
    """

    name: str
    files: Files
    play: Callable[[World], Awaitable[None]]
    script: Script = field(default_factory=HonestResolver)
    settings: Mapping[str, Any] = field(default_factory=lambda: {"direct_calls": False})
    after: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    deaths: int = 2
    gateway_dies: bool = False
    fork: Fork | None = None


async def _until_check(world: World, conclusion: str, *, count: int = 1) -> Any:
    def found() -> Any:
        done = [one for one in world.forge.check_runs(world.repository) if one.conclusion == conclusion]
        return done[-1] if len(done) >= count else None

    return await world.forge.wait_for(found, timeout=LONG, what=f"a check run that ends {conclusion}")


async def _until_comment(world: World, words: str, *, under: Issue | None = None) -> None:
    issue = under or world.pull

    def found() -> bool:
        return any(words in one.body for one in issue.comments.values() if one.author is world.forge.bot)

    await world.forge.wait_for(found, timeout=LONG, what=f"a comment with {words!r}")


async def _until_proposed(world: World, words: str = "/flowforge resolve") -> None:
    world.forge.people.comment(world.pull, world.maintainer, words)
    await _until_check(world, "action_required")
    branches = [ref for ref in world.repository.refs if ref.startswith("refs/heads/flowforge/")]
    world.label("proposal", world.repository.refs[branches[0]])
    await _until_comment(world, "waits for approval")


async def _propose(world: World) -> None:
    """Ask, and see a proposal."""
    await _until_proposed(world)


async def _whole_job(world: World, words: str = "/flowforge resolve") -> None:
    """Ask, approve what is proposed, and take it back."""
    await _until_proposed(world, words)
    before = world.pull.head_sha
    world.forge.people.click(world.forge.check_runs(world.repository)[-1], world.maintainer, "approve")
    await world.forge.wait_for(lambda: world.pull.head_sha != before, timeout=LONG, what="the push")
    await _until_check(world, "success")
    world.forge.people.comment(world.pull, world.maintainer, "/flowforge rollback")
    await world.forge.wait_for(lambda: world.pull.head_sha == before, timeout=LONG, what="the rollback")
    await _until_comment(world, "back where it was")
    await _until_check(world, "success", count=2)


async def _into_fork(world: World) -> None:
    """Say that a stranger's head is harmless, and ask; approve, and take it back out of the fork."""
    await _whole_job(world, f"/flowforge ok {world.pull.head_sha}\n/flowforge resolve")


async def _beside_fork(world: World) -> None:
    """The same where the fork refuses the push: a draft comes beside the pull request, and goes again."""
    await _until_proposed(world, f"/flowforge ok {world.pull.head_sha}\n/flowforge resolve")
    world.forge.people.click(world.forge.check_runs(world.repository)[-1], world.maintainer, "approve")
    draft = await _until_draft(world)
    await _until_check(world, "success")
    await until_quiet(world)  # the draft was looked at, as any other pull request
    world.forge.people.comment(world.pull, world.maintainer, "/flowforge rollback")
    await world.forge.wait_for(lambda: not draft.open, timeout=LONG, what="the end of the draft")
    await _until_check(world, "success", count=2)


async def _by_itself(world: World) -> None:
    """Ask; what comes of it is pushed without a person's approval."""
    before = world.pull.head_sha
    world.forge.people.comment(world.pull, world.maintainer, "/flowforge resolve")
    await world.forge.wait_for(lambda: world.pull.head_sha != before, timeout=LONG, what="the push")
    world.label("pushed", world.pull.head_sha)
    await _until_check(world, "success")


async def _until_draft(world: World) -> PullRequest:
    def found() -> PullRequest | None:
        return next((one for one in world.repository.pull_requests() if one.author is world.forge.bot), None)

    draft: PullRequest = await world.forge.wait_for(found, timeout=LONG, what="a draft pull request")
    world.label("draft", draft.head_sha)
    return draft


async def _implement(world: World) -> None:
    """Have a plan made for an issue, and carried out: a draft pull request comes of it."""
    people = world.forge.people
    issue = people.open_issue(world.repository, author=world.author, title="A fee below zero", body="Refuse it.")
    people.comment(issue, world.maintainer, "/flowforge plan")
    await _until_comment(world, "`/flowforge go`", under=issue)
    people.comment(issue, world.maintainer, "/flowforge go")
    await _until_draft(world)
    await _until_comment(world, "a draft pull request is open", under=issue)
    await _until_check(world, "success")


async def _reject(world: World) -> None:
    """Ask, and throw the proposal away."""
    await _until_proposed(world)
    world.forge.people.comment(world.pull, world.maintainer, "/flowforge reject")
    await _until_check(world, "neutral")


async def _expire(world: World) -> None:
    """Ask, and leave the proposal alone for so long that it ends by itself."""
    await _until_proposed(world)
    await until_quiet(world)
    world.clock.advance(DAYS * 86_400.0 + 3600.0)
    await world.sweep()
    await _until_check(world, "neutral")


async def _move(world: World) -> None:
    """Ask, and push to the head: the proposal is void."""
    await _until_proposed(world)
    await until_quiet(world)
    moved = await world.forge.people.commit(
        world.repository, "feature", {"README.md": "# fees\n"}, author=world.author, message="Say what it is"
    )
    world.label("moved", moved)
    await _until_check(world, "neutral")
    await _until_comment(world, "out of date")


async def _watch(world: World) -> None:
    """A push to the base brings the pull request into conflict; another one ends it."""
    people = world.forge.people
    await world.forge.webhooks.settled(timeout=LONG)
    conflicting = await people.commit(world.repository, "main", _FEES[3], author=world.maintainer)
    world.label("conflicting", conflicting)
    await _until_check(world, "action_required")
    clean = await people.commit(world.repository, "main", _FEES[1], author=world.maintainer, message="Back to one")
    world.label("clean", clean)
    await _until_check(world, "success")


_CHANGELOG = {"CHANGELOG.md": sample.BASE["CHANGELOG.md"]}
_SETUP = {name: {"fees/__init__.py": _version(name)} for name in ("1.0.0", "1.0.1", "1.1.0")}
_FEES = {rate: {"fees.py": FEES.format(rate=rate)} for rate in (1, 2, 3)}
_TESTS = {".flowforge.yml": "version: 1\ntest_command: /bin/true\n"}

_BY_RULES = Files(base=_SETUP["1.0.0"] | _CHANGELOG, ours=_SETUP["1.0.1"], theirs=_SETUP["1.1.0"])
_TESTED = replace(_BY_RULES, base={**_BY_RULES.base, **_TESTS})
_MIXED = Files(base=_SETUP["1.0.0"] | _FEES[1], ours=_SETUP["1.0.1"] | _FEES[2], theirs=_SETUP["1.1.0"] | _FEES[3])
_AUTO = {".flowforge.yml": 'version: 1\npaths:\n  - match: "**"\n    tier: auto\n'}
_AUTOMATIC = Files(base=_AUTO | {"RATES": "One: 1\n"}, ours={"RATES": "One:  1\n"}, theirs={"RATES": "One: 3\n"})
_CLEAN = Files(base=_FEES[1], ours=_FEES[2], theirs={})
_WORKER = HonestWorker(files={"fees.py": FEES.format(rate="abs(1)")})
_HONEST = HonestResolver(answers={"fees.py": FEES.format(rate="2 + 3")})

STORIES = {
    story.name: story
    for story in (
        Story(name="rules", files=_BY_RULES, play=_whole_job, deaths=4),
        Story(name="agent", files=_MIXED, play=_whole_job, script=_HONEST, after=("rules",), again=("SqlRuns.",)),
        Story(
            name="direct",
            files=_MIXED,
            play=_propose,
            script=_HONEST,
            settings={"direct_calls": True},
            after=("rules", "agent"),
            again=("model call", "save_conflicts"),
        ),
        Story(name="gateway", files=_MIXED, play=_propose, script=_HONEST, gateway_dies=True),
        Story(name="tests", files=_TESTED, play=_reject, after=("rules", "agent"), again=("SqlRuns.", "sandbox ")),
        Story(
            name="expire",
            files=_BY_RULES,
            play=_expire,
            settings={"direct_calls": False, "proposal_days": DAYS},
            after=("rules", "tests"),
        ),
        Story(
            name="moved",
            files=_BY_RULES,
            play=_move,
            settings={"direct_calls": False, "push_debounce_seconds": 0},
            after=("rules",),
            again=("SqlJobs.create", "pr_sync", "git push delete"),
        ),
        Story(
            name="fork",
            files=_BY_RULES,
            play=_into_fork,
            fork=Fork.OPEN,
            after=("rules",),
            again=("git push move head",),
            deaths=4,
        ),
        Story(
            name="beside",
            files=_BY_RULES,
            play=_beside_fork,
            fork=Fork.HIDDEN,
            after=("rules", "fork"),
            deaths=4,
        ),
        Story(name="auto", files=_AUTOMATIC, play=_by_itself, after=("rules",), deaths=4),
        Story(
            name="issue",
            files=_CLEAN,
            play=_implement,
            script=_WORKER,
            after=("rules", "agent", "beside"),
            again=("create_pull_request", "SqlWorks."),
            deaths=3,
        ),
        Story(
            name="watch",
            files=_CLEAN,
            play=_watch,
            again=("SqlWatch.", "SqlLevels.", "SqlReports.", "forge ", "queue ", "git"),
            after=("rules",),
            deaths=3,
        ),
    )
}
