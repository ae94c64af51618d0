"""The cases about single conflicts, unfinished merges and rebases."""

from dataclasses import replace

from bot.config_keys import Permissions, RepositoryConfig
from bot.model.cases import Choice
from bot.model.intents import Approve, Intent, TakeSide
from bot.model.jobs import JobKind, JobState
from bot.policy.facts import Facts
from tests.bot.policy.build import (
    COMMIT,
    HEAD,
    ONE_OPEN,
    ORIGIN,
    OTHER,
    PARTIAL,
    PROPOSAL_ID,
    QUIET,
    REBASE,
    TWO_OPEN,
    WAITING,
    after,
    during,
    job,
    record,
)
from tests.bot.policy.cases import (
    APPROVE,
    CLICK,
    OLD_CLICK,
    REJECT,
    RUNNING,
    TAKE,
    configured,
    moved,
)
from tests.bot.policy.refusals import ANEW

GOOD: dict[str, tuple[Intent, Facts]] = {
    "take": (TAKE, ONE_OPEN),
    "take of one of two": (TAKE, TWO_OPEN),
    "take by button": (TakeSide(origin=CLICK, choice=Choice.DELETE), ONE_OPEN),
    "take of the base version": (replace(TAKE, choice=Choice.BASE), ONE_OPEN),
    "take of a deletion": (TakeSide(origin=ORIGIN, choice=Choice.THEIRS, path="new.bin"), TWO_OPEN),
    "take beside a proposal that waits": (TAKE, replace(WAITING, conflicts=ONE_OPEN.conflicts)),
    "a take that a crash repeats": (TAKE, during(job(JobState.QUEUED, origin_key=ORIGIN.key))),
    "approve a rebase by its old head": (Approve(origin=ORIGIN, old_head=HEAD[:7]), REBASE),
    "approve a rebase by both": (Approve(origin=ORIGIN, sha=COMMIT[:12], old_head=HEAD), REBASE),
    "approve a merge by the old head": (Approve(origin=ORIGIN, old_head=HEAD[:7]), WAITING),
    "reject a rebase": (REJECT, REBASE),
}

NOTHING_OPEN = "No conflict is open here. `/flowforge resolve` looks for conflicts."
WAYS_ON = (
    "`/flowforge take ours|theirs|base|delete <path>` settles one, and `/flowforge retry` tries all of them again; "
    "or finish the prepared branch by hand."
)
NAME_IT = (
    "This is a rebase: pushing it replaces the commits up to `aaaaaaaaaaaa` by force, and an approval has to name that "
    "commit. To approve: `/flowforge approve --old-head aaaaaaaaaaaa cccccccccccc`"
)
REFUSED: dict[str, tuple[str, Intent, Facts, str]] = {
    "take of a directory": (
        "take",
        replace(TAKE, choice=Choice.DELETE),
        replace(ONE_OPEN, conflicts=tuple(replace(each, stages={}) for each in ONE_OPEN.conflicts)),
        "The conflict at `src/a b.py` is about a directory: no side has a version to take. Merge it by hand.",
    ),
    "take after the head moved": (
        "stale",
        TAKE,
        moved(ONE_OPEN),
        f"The head moved from `aaaaaaaaaaaa` to `eeeeeeeeeeee` since this was left open. {ANEW}",
    ),
    "a take button of an older job": (
        "stale",
        TakeSide(origin=OLD_CLICK, choice=Choice.OURS),
        ONE_OPEN,
        "This button belongs to an older job. Look at the newest check run.",
    ),
    "approve what is not whole": (
        "partial",
        APPROVE,
        PARTIAL,
        f"This is not a whole merge, so it cannot be pushed. Conflicts are open: `src/a b.py`. {WAYS_ON}",
    ),
    "approve what is not whole, by button": (
        "partial",
        Approve(origin=CLICK, proposal_id=PROPOSAL_ID),
        replace(PARTIAL, active=job(JobState.AWAITING_APPROVAL), conflicts=()),
        f"This is not a whole merge, so it cannot be pushed. Conflicts are open. {WAYS_ON}",
    ),
    "approve a rebase without its old head": ("old-head", APPROVE, REBASE, NAME_IT),
    "approve a rebase by its commit alone": ("old-head", Approve(origin=ORIGIN, sha=COMMIT), REBASE, NAME_IT),
    "approve a rebase by button": ("old-head", Approve(origin=CLICK, proposal_id=PROPOSAL_ID), REBASE, NAME_IT),
    "approve a rebase by another head": (
        "old-head",
        Approve(origin=ORIGIN, old_head=OTHER[:7]),
        REBASE,
        (
            "The head that would be replaced is `aaaaaaaaaaaa`, not `eeeeeee`. To approve: "
            "`/flowforge approve --old-head aaaaaaaaaaaa cccccccccccc`"
        ),
    ),
    "take without a job": ("take", TAKE, QUIET, NOTHING_OPEN),
    "take after a rollback": (
        "take",
        TAKE,
        replace(after(job(JobState.UNRESOLVED, kind=JobKind.ROLLBACK)), conflicts=ONE_OPEN.conflicts),
        NOTHING_OPEN,
    ),
    "take when all is settled": (
        "take",
        TAKE,
        replace(ONE_OPEN, conflicts=ONE_OPEN.conflicts[:1]),
        NOTHING_OPEN,
    ),
    "take after a dry run": (
        "take",
        TAKE,
        replace(after(job(JobState.REPORTED, dry_run=True)), conflicts=ONE_OPEN.conflicts),
        "The last job was a dry run and left nothing to finish. `/flowforge resolve` starts a real one.",
    ),
    "take of what is settled": (
        "take",
        replace(TAKE, path="done.py"),
        TWO_OPEN,
        "`done.py` is no open conflict here. Open: `src/a b.py`, `new.bin`.",
    ),
    "take of one of very many": (
        "take",
        replace(TAKE, path="x`y"),
        replace(ONE_OPEN, conflicts=tuple(record(str(n)) for n in range(25))),
        f"`x'y` is no open conflict here. Open: {', '.join(f'`{n}`' for n in range(20))} and 5 more.",
    ),
    "take by button with two open": (
        "take",
        TakeSide(origin=CLICK, choice=Choice.OURS),
        TWO_OPEN,
        "More than one conflict is open: `src/a b.py`, `new.bin`. Say which: `/flowforge take ours <path>`.",
    ),
    "take of a base version that there is not": (
        "take",
        TakeSide(origin=ORIGIN, choice=Choice.BASE, path="new.bin"),
        TWO_OPEN,
        "There is no base version of `new.bin`: the path is not in what both sides started from.",
    ),
    "take while running": (
        "busy",
        TAKE,
        replace(RUNNING, conflicts=ONE_OPEN.conflicts),
        "A job is under way (`running`). Wait for it, or stop it with `/flowforge cancel`.",
    ),
    "take where resolving is for maintainers": (
        "permission",
        TAKE,
        configured(ONE_OPEN, RepositoryConfig(version=1, permissions=Permissions(resolve="maintain"))),
        "`/flowforge take` needs maintain permission on this repository; you have write.",
    ),
    "take with a model that is no longer allowed": (
        "model",
        TAKE,
        replace(after(job(JobState.UNRESOLVED, model="haiku")), conflicts=ONE_OPEN.conflicts),
        "The model `haiku` is not allowed on this server. Allowed: `sonnet`, `opus`.",
    ),
}
