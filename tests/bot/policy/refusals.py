"""Who asks what when, and is refused: the rule, and its words."""

from dataclasses import replace

from bot.config_keys import Approvals, PathTier, Permissions, RepositoryConfig
from bot.errors import ConfigError
from bot.model.forge import PermissionLevel
from bot.model.intents import (
    Approve,
    Intent,
    Reject,
    Resolve,
    Retry,
)
from bot.model.jobs import JobKind, JobState
from bot.model.proposals import ProposalState
from bot.policy.facts import Facts
from tests.bot.policy.build import (
    FAILED,
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
from tests.bot.policy.cases import (
    AGAIN_OFFERED,
    APPROVE,
    BOT,
    BROKEN,
    CANCEL,
    CLICK,
    ENDED,
    EXPLAIN,
    FILE,
    FIX,
    GO,
    HELP,
    IMPLEMENT,
    ISSUE,
    LISTED,
    OLD_CLICK,
    ON_ISSUE,
    PAUSE,
    PLAN,
    PUSHING,
    REJECT,
    RESOLVE,
    RETRY,
    ROLLBACK,
    RUNNING,
    SOON,
    configured,
    moved,
)


def proposed(state: ProposalState) -> Facts:
    return replace(WAITING, proposal=replace(PROPOSAL, state=state))


AGAIN = "`/flowforge resolve` makes a new one."
ANEW = "`/flowforge resolve` makes a new proposal."
TESTING = "Its tests are running. It waits for an answer when they ended; `/flowforge cancel` stops it."
HASTY = (
    "This comment had just changed to another proposal when you put the emoji there, so it does not count. "
    "`/flowforge approve cccccccccccc` approves what it shows now."
)
UNTESTED = (
    "Here nothing is approved before its tests pass (`tests_must_pass` in `.flowforge.yml`), and {}. "
    "`/flowforge retry` starts again, with new tests."
)

REFUSED: dict[str, tuple[str, Intent, Facts, str]] = {
    "a reader resolves": (
        "permission",
        RESOLVE,
        replace(QUIET, permission=PermissionLevel.READ),
        "`/flowforge resolve` needs write permission on this repository; you have read.",
    ),
    "a retry of what only admins may ask for": (
        "permission",
        RETRY,
        configured(
            replace(ON_ISSUE, latest=job(JobState.UNRESOLVED, kind=JobKind.IMPLEMENT)),
            RepositoryConfig(version=1, permissions=Permissions(implement="admin")),
        ),
        "`/flowforge retry` of `implement` needs admin permission on this repository; you have write.",
    ),
    "a retry where retrying is for admins": (
        "permission",
        RETRY,
        configured(ENDED, RepositoryConfig(version=1, permissions=Permissions(retry="admin"))),
        "`/flowforge retry` needs admin permission on this repository; you have write.",
    ),
    "pausing needs more than writing": (
        "permission",
        PAUSE,
        replace(QUIET, permission=PermissionLevel.WRITE),
        "`/flowforge pause` needs maintain permission on this repository; you have write.",
    ),
    "a stranger resolves": (
        "permission",
        RESOLVE,
        replace(QUIET, permission=PermissionLevel.NONE),
        "`/flowforge resolve` needs write permission on this repository; you have none.",
    ),
    "the author approves without permission": (
        "permission",
        Approve(origin=replace(ORIGIN, actor=PULL_REQUEST.author)),
        replace(WAITING, permission=PermissionLevel.TRIAGE),
        "`/flowforge approve` needs write permission on this repository; you have triage.",
    ),
    "a writer where maintainers approve": (
        "permission",
        APPROVE,
        configured(WAITING, RepositoryConfig(version=1, permissions=Permissions(approve="maintain"))),
        "`/flowforge approve` needs maintain permission on this repository; you have write.",
    ),
    "a reader where help is for writers": (
        "permission",
        HELP,
        configured(
            replace(QUIET, permission=PermissionLevel.READ),
            RepositoryConfig(version=1, permissions=Permissions(help="write")),
        ),
        "`/flowforge help` needs write permission on this repository; you have read.",
    ),
    "a listed bot without permission": (
        "permission",
        Resolve(origin=BOT),
        configured(replace(QUIET, permission=PermissionLevel.READ), LISTED),
        "`/flowforge resolve` needs write permission on this repository; you have read.",
    ),
    "a stranger to an invalid file": (
        "permission",
        RESOLVE,
        replace(BROKEN, permission=PermissionLevel.NONE),
        "`/flowforge resolve` needs write permission on this repository; you have none.",
    ),
    "resolve with an invalid file": (
        "configuration",
        RESOLVE,
        BROKEN,
        (
            "`.flowforge.yml` on the base branch, line 3, key `bots`: `bots` stands here twice. "
            "Nothing runs until it is right."
        ),
    ),
    "approve with an invalid file": (
        "configuration",
        APPROVE,
        replace(BROKEN, config_error=ConfigError("The file is larger than 64 KiB.", path=".flowforge.yml")),
        "`.flowforge.yml` on the base branch: The file is larger than 64 KiB. Nothing runs until it is right.",
    ),
    "resolve while switched off": (
        "enabled",
        RESOLVE,
        configured(QUIET, RepositoryConfig(version=1, enabled=False)),
        "FlowForge is switched off here (`enabled: false` in `.flowforge.yml`).",
    ),
    "approve while switched off": (
        "enabled",
        APPROVE,
        configured(WAITING, RepositoryConfig(version=1, enabled=False)),
        "FlowForge is switched off here (`enabled: false` in `.flowforge.yml`).",
    ),
    "resolve of an issue": (
        "pull-request",
        RESOLVE,
        replace(QUIET, pull_request=None),
        "This works on pull requests only.",
    ),
    "fix of an issue": ("pull-request", FIX, ON_ISSUE, "This works on pull requests only."),
    "fix by a reader": (
        "permission",
        FIX,
        replace(QUIET, permission=PermissionLevel.TRIAGE),
        "`/flowforge fix` needs write permission on this repository; you have triage.",
    ),
    "retry of a fix of another head": (
        "nothing",
        RETRY,
        replace(after(job(JobState.FAILED, kind=JobKind.FIX)), pull_request=replace(PULL_REQUEST, head_sha=OTHER)),
        "The head moved since that fix was asked for. `/flowforge fix` looks at what fails now.",
    ),
    "explain of an issue": ("pull-request", EXPLAIN, ON_ISSUE, "This works on pull requests only."),
    "plan of a pull request": ("issue", PLAN, QUIET, "This works on issues only; this is none."),
    "go without a plan": (
        "issue",
        GO,
        ON_ISSUE,
        "The last thing done here is no plan. `/flowforge plan` makes one, `/flowforge implement` needs none.",
    ),
    "plan of a closed issue": (
        "issue",
        PLAN,
        replace(ON_ISSUE, issue=replace(ISSUE, open=False)),
        "This issue is closed. Reopen it first.",
    ),
    "implement by a reader": (
        "permission",
        IMPLEMENT,
        replace(ON_ISSUE, permission=PermissionLevel.TRIAGE),
        "`/flowforge implement` needs write permission on this repository; you have triage.",
    ),
    "plan by a reader": (
        "permission",
        PLAN,
        replace(ON_ISSUE, permission=PermissionLevel.READ),
        "`/flowforge plan` needs write permission on this repository; you have read.",
    ),
    "resolve after closing": (
        "pull-request",
        RESOLVE,
        replace(QUIET, pull_request=replace(PULL_REQUEST, open=False)),
        "This pull request is closed. Reopen it first.",
    ),
    "approve after merging": (
        "pull-request",
        APPROVE,
        replace(WAITING, pull_request=replace(PULL_REQUEST, open=False, merged=True)),
        "This pull request is merged already.",
    ),
    "rollback after merging": (
        "pull-request",
        ROLLBACK,
        replace(PUBLISHED, pull_request=replace(PULL_REQUEST, open=False, merged=True)),
        "This pull request is merged already.",
    ),
    "more than the repository allows": (
        "budget",
        Resolve(origin=ORIGIN, budget_usd=5.01),
        QUIET,
        "A budget of $5.01 is too much: this repository allows at most $5.00 a job (`budget_usd` in `.flowforge.yml`).",
    ),
    "more than the server allows": (
        "budget",
        Resolve(origin=ORIGIN, budget_usd=20.01),
        configured(QUIET, RepositoryConfig(version=1, budget_usd=50.0)),
        "A budget of $20.01 is too much: this server allows at most $20.00 a job.",
    ),
    "retry of what costs too much by now": (
        "budget",
        RETRY,
        configured(ENDED, RepositoryConfig(version=1, budget_usd=1.0)),
        "A budget of $5.00 is too much: this repository allows at most $1.00 a job (`budget_usd` in `.flowforge.yml`).",
    ),
    "a model that the server does not allow": (
        "model",
        Resolve(origin=ORIGIN, model="gpt"),
        QUIET,
        "The model `gpt` is not allowed on this server. Allowed: `sonnet`, `opus`.",
    ),
    "a configured model that the server does not allow": (
        "model",
        RESOLVE,
        configured(QUIET, RepositoryConfig(version=1, model="haiku")),
        "The model `haiku` (`model` in `.flowforge.yml`) is not allowed on this server. Allowed: `sonnet`, `opus`.",
    ),
    "retry with a model that is no longer allowed": (
        "model",
        RETRY,
        after(job(JobState.FAILED, model="haiku")),
        "The model `haiku` is not allowed on this server. Allowed: `sonnet`, `opus`.",
    ),
    "an emoji that may have been meant for what the comment showed before": (
        "stale",
        SOON,
        AGAIN_OFFERED,
        HASTY,
    ),
    "a button of an older job": (
        "stale",
        Approve(origin=OLD_CLICK, proposal_id=PROPOSAL_ID),
        WAITING,
        "This button belongs to an older job. Look at the newest check run.",
    ),
    "a retry button of an older job": (
        "stale",
        Retry(origin=OLD_CLICK),
        ENDED,
        "This button belongs to an older job. Look at the newest check run.",
    ),
    "a button of a job that is not known": (
        "stale",
        Retry(origin=CLICK),
        QUIET,
        "This button belongs to an older job. Look at the newest check run.",
    ),
    "a button of an older proposal": (
        "stale",
        Reject(origin=CLICK, proposal_id="8" * 32),
        WAITING,
        "This button belongs to an older proposal. Look at the newest check run.",
    ),
    "a button of a proposal that is gone": (
        "stale",
        Approve(origin=CLICK, proposal_id=PROPOSAL_ID),
        RUNNING,
        "This button belongs to an older proposal. Look at the newest check run.",
    ),
    "approve after the head moved": (
        "stale",
        APPROVE,
        moved(WAITING),
        f"The head moved from `aaaaaaaaaaaa` to `eeeeeeeeeeee` since this was proposed. {ANEW}",
    ),
    "approve after the base changed": (
        "stale",
        APPROVE,
        replace(WAITING, pull_request=replace(PULL_REQUEST, base_ref="next`@x")),
        f"The pull request goes to `next'@x` now; this was proposed for `main`. {ANEW}",
    ),
    "approve without a proposal": ("proposal", APPROVE, QUIET, f"Nothing is proposed here. {AGAIN}"),
    "reject without a proposal": ("proposal", REJECT, RUNNING, f"Nothing is proposed here. {AGAIN}"),
    "approve twice": ("proposal", APPROVE, PUSHING, "The proposal is approved already and being pushed."),
    "approve what is pushed": (
        "proposal",
        APPROVE,
        PUBLISHED,
        "The proposal is pushed already; `/flowforge rollback` undoes that.",
    ),
    "approve what was thrown away": (
        "proposal",
        APPROVE,
        proposed(ProposalState.REJECTED),
        f"The proposal was thrown away. {AGAIN}",
    ),
    "reject what is out of date": (
        "proposal",
        REJECT,
        proposed(ProposalState.STALE),
        f"The proposal is out of date. {AGAIN}",
    ),
    "approve what nobody waits for": (
        "proposal",
        APPROVE,
        replace(after(job(JobState.CANCELLED)), proposal=PROPOSAL),
        f"The proposal does not wait for an answer any more. {AGAIN}",
    ),
    "approve what is still being checked": (
        "proposal",
        APPROVE,
        replace(during(job(JobState.VALIDATING)), proposal=PROPOSAL),
        TESTING,
    ),
    "reject what is being tested": (
        "proposal",
        REJECT,
        replace(during(job(JobState.RUNNING)), proposal=PROPOSAL),
        TESTING,
    ),
    "approve what is being pushed": (
        "proposal",
        APPROVE,
        replace(during(job(JobState.PUBLISHING)), proposal=PROPOSAL),
        f"The proposal does not wait for an answer any more. {AGAIN}",
    ),
    "approve where tests have to pass, and none ran": (
        "tests",
        APPROVE,
        replace(WAITING, config=STRICT),
        UNTESTED.format("none were run on this proposal"),
    ),
    "approve where tests have to pass, and they failed": (
        "tests",
        APPROVE,
        replace(WAITING, config=STRICT, tests=FAILED),
        UNTESTED.format("they failed"),
    ),
    "click where tests have to pass, and they passed on another tree": (
        "tests",
        Approve(origin=CLICK, proposal_id=PROPOSAL_ID),
        replace(WAITING, config=STRICT, tests=replace(PASSED, tree=OTHER)),
        UNTESTED.format("none were run on this proposal"),
    ),
    "approve what one asked for, where somebody else has to": (
        "approver",
        APPROVE,
        configured(WAITING, RepositoryConfig(version=1, approvals=Approvals(requester_may_approve=False))),
        "You asked for this job, and here somebody else has to approve it (`approvals.requester_may_approve: false`).",
    ),
    "approve what one asked for, and somebody else had done again": (
        "approver",
        APPROVE,
        configured(
            replace(
                during(job(JobState.AWAITING_APPROVAL, requested_by=BOT.actor, asked_before=(ORIGIN.actor,))),
                proposal=PROPOSAL,
            ),
            RepositoryConfig(version=1, approvals=Approvals(requester_may_approve=False)),
        ),
        "You asked for this job, and here somebody else has to approve it (`approvals.requester_may_approve: false`).",
    ),
    "a listed bot approves where the requester may not": (
        "approver",
        Approve(origin=BOT),
        configured(
            WAITING,
            RepositoryConfig(version=1, bots=("renovate",), approvals=Approvals(requester_may_approve=False)),
        ),
        "Here a person has to approve, and another one than asked (`approvals.requester_may_approve: false`).",
    ),
    "approve a change of paths that are never pushed": (
        "approver",
        APPROVE,
        configured(
            replace(WAITING, proposal=replace(PROPOSAL, files=(FILE,))),
            RepositoryConfig(version=1, paths=(PathTier(match="src/**", tier="never"),)),
        ),
        "`src/a.py` is left to people (`tier: never`) and never pushed by FlowForge.",
    ),
    "approve another commit": (
        "commit",
        Approve(origin=ORIGIN, sha="1f3870b"),
        WAITING,
        "The proposed commit is `cccccccccccc`, not `1f3870b`. Look at it before you approve.",
    ),
    "cancel without a job": ("nothing", CANCEL, ENDED, "Nothing is under way here."),
    "retry without a job": ("nothing", RETRY, QUIET, "There is no job to do again. `/flowforge resolve` starts one."),
    "retry of what is pushed": (
        "nothing",
        RETRY,
        PUBLISHED,
        "The last job is pushed already. `/flowforge resolve` starts a new one.",
    ),
    "rollback without a push": ("nothing", ROLLBACK, ENDED, "FlowForge pushed nothing here that could be undone."),
    "retry while running": (
        "busy",
        RETRY,
        RUNNING,
        "A job is under way (`running`). Wait for it, or stop it with `/flowforge cancel`.",
    ),
    "cancel while pushing": (
        "busy",
        CANCEL,
        PUSHING,
        "The result is being pushed right now. `/flowforge rollback` undoes it afterwards.",
    ),
    "cancel twice": (
        "busy",
        CANCEL,
        during(replace(job(), cancel_requested=JobState.CANCELLED)),
        "The job is being stopped already.",
    ),
    "rollback while a proposal waits": (
        "busy",
        ROLLBACK,
        replace(WAITING, published=PUBLISHED.published),
        "A proposal is waiting. Decide on it first: `/flowforge approve` or `/flowforge reject`.",
    ),
    "rollback while running": (
        "busy",
        ROLLBACK,
        replace(RUNNING, published=PUBLISHED.published),
        "A job is under way (`running`). Wait for it, or stop it with `/flowforge cancel`.",
    ),
}
