"""Who asks what when: what policy allows, and what it passes over in silence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.config_keys import Approvals, RepositoryConfig
from bot.errors import ConfigError
from bot.model.cases import Choice
from bot.model.forge import Actor, ActorKind, PermissionLevel
from bot.model.intents import (
    Approve,
    Cancel,
    Explain,
    Fix,
    Go,
    Help,
    Implement,
    Intent,
    Misspelt,
    Ok,
    PauseHere,
    Plan,
    Reject,
    Resolve,
    ResumeHere,
    Retry,
    Rollback,
    ShowConfig,
    Status,
    TakeSide,
)
from bot.model.jobs import JobKind, JobState
from bot.model.pauses import Pause
from bot.model.proposals import ProposalState, ProposedFile
from bot.model.work import Issue
from bot.policy.facts import Facts
from bot.policy.moved import SETTLES
from tests.bot.policy.build import (
    COMMIT,
    FAILED,
    FORK,
    HEAD,
    JOB_ID,
    ORIGIN,
    OTHER,
    PASSED,
    PROPOSAL,
    PROPOSAL_ID,
    PUBLISHED,
    PULL_REQUEST,
    QUIET,
    STRICT,
    WAITING,
    after,
    during,
    job,
)

GRACE = Actor(id=12, login="grace")
FILE = ProposedFile(path="src/a.py", kind="content", resolver="agent", reasons=())
HELP, STATUS, RESOLVE = Help(origin=ORIGIN), Status(origin=ORIGIN), Resolve(origin=ORIGIN)
CONFIG = ShowConfig(origin=ORIGIN)
PAUSE, RESUME = PauseHere(origin=ORIGIN, reason="release"), ResumeHere(origin=ORIGIN)
HERE = Pause(by="ada", reason="release `week`", at=datetime(2026, 11, 29, 9, 5, tzinfo=UTC), everywhere=False)
SOON = Approve(origin=ORIGIN, proposal_id=PROPOSAL_ID, shown_for=timedelta(seconds=29))
AGAIN_OFFERED = replace(WAITING, offered_before=True)
APPROVE, REJECT = Approve(origin=ORIGIN), Reject(origin=ORIGIN)
RETRY, CANCEL, ROLLBACK = Retry(origin=ORIGIN), Cancel(origin=ORIGIN), Rollback(origin=ORIGIN)
TAKE = TakeSide(origin=ORIGIN, choice=Choice.OURS, path="src/a b.py")
OK = Ok(origin=ORIGIN, sha=HEAD)
GO, FIX = Go(origin=ORIGIN), Fix(origin=ORIGIN)
PLAN, EXPLAIN, IMPLEMENT = Plan(origin=ORIGIN), Explain(origin=ORIGIN), Implement(origin=ORIGIN)
MISSPELT = Misspelt(origin=ORIGIN, message="What?")
EVERY: tuple[Intent, ...] = (
    HELP,
    STATUS,
    CONFIG,
    PAUSE,
    RESUME,
    RESOLVE,
    APPROVE,
    TAKE,
    REJECT,
    RETRY,
    CANCEL,
    ROLLBACK,
    OK,
    IMPLEMENT,
    PLAN,
    GO,
    EXPLAIN,
    FIX,
    MISSPELT,
)

ISSUE = Issue(
    number=7,
    title="A bug",
    body="It fails.",
    open=True,
    author=Actor(id=99, login="eve"),
    updated_at=datetime(2026, 11, 1, tzinfo=UTC),
    default_branch="main",
)

CLICK = replace(ORIGIN, number=0, comment_id=None, job_id=JOB_ID)
OLD_CLICK = replace(CLICK, job_id="9" * 32)
BOT = replace(ORIGIN, actor=Actor(id=13, login="renovate[bot]", kind=ActorKind.BOT))
LISTED = RepositoryConfig(version=1, bots=("renovate",))
ENDED = after(job(JobState.UNRESOLVED))
RUNNING = during(job(JobState.RUNNING))
PUSHING = replace(
    during(job(JobState.PUBLISHING)),
    proposal=replace(PROPOSAL, state=ProposalState.APPROVED),
)
BROKEN = replace(
    WAITING,
    config=None,
    config_error=ConfigError("`bots` stands here twice.", path=".flowforge.yml", line=3, key="bots"),
)


ON_ISSUE = replace(QUIET, pull_request=None, issue=ISSUE)


def configured(facts: Facts, config: RepositoryConfig) -> Facts:
    return replace(facts, config=config)


def moved(facts: Facts, head_sha: str = OTHER) -> Facts:
    return replace(facts, pull_request=replace(PULL_REQUEST, head_sha=head_sha))


GOOD: dict[str, tuple[Intent, Facts]] = {
    "help": (HELP, QUIET),
    "help on an issue": (HELP, replace(QUIET, pull_request=None, config=None)),
    "help to a reader": (HELP, replace(QUIET, permission=PermissionLevel.READ)),
    "status": (STATUS, RUNNING),
    "a pause": (PAUSE, replace(QUIET, permission=PermissionLevel.MAINTAIN)),
    "a pause while the file is invalid": (PAUSE, replace(BROKEN, permission=PermissionLevel.MAINTAIN)),
    "the end of a pause": (RESUME, replace(QUIET, permission=PermissionLevel.MAINTAIN, pause=HERE)),
    "status in a pause": (STATUS, replace(RUNNING, pause=HERE)),
    "cancel in a pause": (CANCEL, replace(RUNNING, pause=HERE)),
    "reject in a pause": (REJECT, replace(WAITING, pause=HERE)),
    "the configuration": (CONFIG, replace(QUIET, permission=PermissionLevel.READ)),
    "the configuration while switched off": (CONFIG, configured(QUIET, RepositoryConfig(version=1, enabled=False))),
    "the configuration of a closed pull request": (
        CONFIG,
        replace(QUIET, pull_request=replace(PULL_REQUEST, open=False)),
    ),
    "an answer to a misspelt line": (MISSPELT, replace(QUIET, permission=PermissionLevel.READ)),
    "resolve": (RESOLVE, QUIET),
    "resolve without a file": (RESOLVE, replace(QUIET, config=None)),
    "resolve of a draft": (RESOLVE, replace(QUIET, pull_request=replace(PULL_REQUEST, draft=True))),
    "resolve while another job runs": (RESOLVE, RUNNING),
    "resolve for a fork": (RESOLVE, replace(QUIET, pull_request=FORK)),
    "resolve for any fork": (
        RESOLVE,
        configured(
            replace(QUIET, pull_request=FORK, head_may_run=False),
            RepositoryConfig(version=1, fork_pull_requests="allow"),
        ),
    ),
    "ok for a fork": (OK, replace(QUIET, pull_request=FORK, head_may_run=False)),
    "ok by the whole commit": (Ok(origin=ORIGIN, sha=HEAD.upper()), replace(QUIET, pull_request=FORK)),
    "resolve by a listed bot": (Resolve(origin=BOT), configured(QUIET, LISTED)),
    "resolve with a budget": (Resolve(origin=ORIGIN, budget_usd=5.0), QUIET),
    "resolve with a model": (Resolve(origin=ORIGIN, model="opus"), QUIET),
    "approve": (APPROVE, WAITING),
    "approve by commit": (Approve(origin=ORIGIN, sha=COMMIT[:7]), WAITING),
    "approve by the whole commit": (Approve(origin=ORIGIN, sha=COMMIT), WAITING),
    "approve by the first emoji": (SOON, WAITING),
    "approve by an emoji once the page is up to date": (replace(SOON, shown_for=SETTLES), AGAIN_OFFERED),
    "approve by button": (Approve(origin=CLICK, proposal_id=PROPOSAL_ID), WAITING),
    "approve where tests have to pass, and they passed": (APPROVE, replace(WAITING, config=STRICT, tests=PASSED)),
    "approve although tests failed": (APPROVE, replace(WAITING, tests=FAILED)),
    "approve what somebody else asked for": (
        Approve(origin=replace(ORIGIN, actor=GRACE)),
        configured(WAITING, RepositoryConfig(version=1, approvals=Approvals(requester_may_approve=False))),
    ),
    "reject where tests have to pass": (REJECT, replace(WAITING, config=STRICT)),
    "reject": (REJECT, WAITING),
    "reject by button": (Reject(origin=CLICK, proposal_id=PROPOSAL_ID), WAITING),
    "reject while the file is invalid": (REJECT, BROKEN),
    "reject of a closed pull request": (REJECT, replace(WAITING, pull_request=replace(PULL_REQUEST, open=False))),
    "reject after the head moved": (REJECT, moved(WAITING)),
    "retry of an ended job": (RETRY, ENDED),
    "retry of a waiting proposal": (Retry(origin=CLICK, proposal_id=PROPOSAL_ID), WAITING),
    "retry after the head moved": (RETRY, moved(ENDED)),
    "retry of an ended job by button": (Retry(origin=CLICK), ENDED),
    "cancel": (CANCEL, RUNNING),
    "cancel of a waiting proposal": (CANCEL, WAITING),
    "cancel while the file is invalid": (CANCEL, replace(BROKEN, active=RUNNING.active)),
    "cancel while switched off": (CANCEL, configured(RUNNING, RepositoryConfig(version=1, enabled=False))),
    "rollback": (ROLLBACK, PUBLISHED),
    "implement": (IMPLEMENT, ON_ISSUE),
    "plan": (PLAN, ON_ISSUE),
    "plan while another job runs": (PLAN, replace(RUNNING, pull_request=None, issue=ISSUE)),
    "retry of a plan": (RETRY, replace(ENDED, pull_request=None, issue=ISSUE)),
    "explain": (EXPLAIN, QUIET),
    "explain of a fork nobody answers for": (EXPLAIN, replace(QUIET, pull_request=FORK, head_may_run=False)),
    "retry of an explanation of a fork nobody answers for": (
        RETRY,
        replace(after(job(JobState.FAILED, kind=JobKind.EXPLAIN)), pull_request=FORK, head_may_run=False),
    ),
    "fix": (FIX, QUIET),
    "fix of a fork somebody answers for": (FIX, replace(QUIET, pull_request=FORK)),
    "retry of a fix of the same head": (RETRY, after(job(JobState.FAILED, kind=JobKind.FIX))),
    "a click that a crash repeats": (
        Retry(origin=OLD_CLICK, proposal_id="8" * 32),
        during(job(JobState.QUEUED, origin_key=OLD_CLICK.key)),
    ),
    "a retry that a crash repeats": (RETRY, during(job(JobState.RUNNING, origin_key=ORIGIN.key))),
    "a rollback that a crash repeats": (ROLLBACK, during(job(JobState.RUNNING, origin_key=ORIGIN.key))),
}


SILENT: dict[str, tuple[str, Intent, Facts]] = {
    "our own comment": ("self", RESOLVE, replace(QUIET, actor_is_self=True)),
    "a bot": ("bot", Resolve(origin=BOT), QUIET),
    "a bot that asks for help": ("bot", Help(origin=BOT), replace(QUIET, permission=PermissionLevel.ADMIN)),
    "a bot that misspells": ("bot", Misspelt(origin=BOT, message=""), QUIET),
    "a listed bot while the file is invalid": (
        "bot",
        Resolve(origin=BOT),
        replace(BROKEN, permission=PermissionLevel.ADMIN),
    ),
    "a removed App": ("installation", RESOLVE, replace(QUIET, installation_active=False)),
    "a stranger's help": ("stranger", HELP, replace(QUIET, permission=PermissionLevel.NONE)),
    "a stranger's status": ("stranger", STATUS, replace(QUIET, permission=PermissionLevel.NONE)),
    "a stranger's look at the configuration": ("stranger", CONFIG, replace(QUIET, permission=PermissionLevel.NONE)),
    "a stranger's misspelling": ("stranger", MISSPELT, replace(QUIET, permission=PermissionLevel.NONE)),
}
