"""Why a job ended otherwise than hoped, in words for the people who asked. Every sentence says what to do next."""

from collections.abc import Sequence
from typing import Final, assert_never

from bot.model.resolutions import GateResult, GateVerdict
from bot.model.runs import OF_THE_OPERATOR, RunOutcome
from bot.model.sync import Branch, EndReason, Moved
from bot.model.text import code_span
from bot.redact import redact

_TAIL: Final = 400
_COMMAND: Final = 120

ASK_AGAIN = "Comment `/flowforge resolve` to start again."
FIX_AGAIN = "Comment `/flowforge fix` to start again."


def run_ended(outcome: RunOutcome) -> str:  # noqa: C901, PLR0911, PLR0912 - one sentence for every way a run can end
    """What a run's outcome means for the person who asked."""
    match outcome:
        case RunOutcome.SUCCEEDED:
            return "The agent finished."
        case RunOutcome.AGENT_REFUSED:
            return (
                "The model declined to work on this conflict. Resolve it by hand, or try another model with `--model`."
            )
        case RunOutcome.NO_REPORT | RunOutcome.INVALID_OUTPUT:
            return "The agent gave no usable report, so nothing of its work was taken. `/flowforge retry` tries again."
        case RunOutcome.MAX_TURNS:
            return "The agent used up its turns before it was done. `/flowforge retry` tries again."
        case RunOutcome.MAX_OUTPUT:
            return "The model's answer was longer than it may be. Resolve this conflict by hand."
        case RunOutcome.CONTEXT_TOO_LONG:
            return "The conflict is too large for the model. Resolve it by hand."
        case RunOutcome.AGENT_FAILED:
            return "The agent failed. `/flowforge retry` tries again."
        case RunOutcome.BUDGET_EXHAUSTED:
            return "The run reached its budget and was stopped. To allow more: `/flowforge resolve --budget <USD>`."
        case RunOutcome.TIMED_OUT:
            return "The run reached its time limit and was stopped. `/flowforge retry` tries again."
        case RunOutcome.STALLED:
            return "The run fell silent and was stopped. `/flowforge retry` tries again."
        case RunOutcome.CANCELLED:
            return "The run was cancelled."
        case RunOutcome.SUPERSEDED:
            return "A newer request took this run's place."
        case RunOutcome.MODEL_OVERLOADED:
            return "The model's service is overloaded. Nothing was changed; `/flowforge retry` later."
        case RunOutcome.MODEL_RATE_LIMITED:
            return "The model's service limits our requests. Nothing was changed; `/flowforge retry` later."
        case RunOutcome.MODEL_UNREACHABLE:
            return "The model's service could not be reached. Nothing was changed; `/flowforge retry` later."
        case RunOutcome.MODEL_AUTHENTICATION:
            return "The model's service does not accept our key. The operator of this FlowForge has to look at it."
        case RunOutcome.MODEL_NOT_FOUND:
            return "The model's service does not know this model. Choose another with `--model`."
        case RunOutcome.MODEL_BILLING:
            return "The model's service wants its bill paid first. The operator of this FlowForge has to look at it."
        case RunOutcome.MODEL_REJECTED_REQUEST:
            return "The model's service rejected the request. `/flowforge retry` tries again."
        case RunOutcome.MISCONFIGURED:
            return (
                "Claude Code could not start with this configuration. The operator of this FlowForge has to look at it."
            )
        case RunOutcome.INFRA_RETRYABLE:
            return (
                "The sandbox could not be run, again and again; that is no fault of the agent. "
                "`/flowforge retry` tries again; the log of this FlowForge says why."
            )
        case RunOutcome.INFRA_TERMINAL:
            return "The sandbox could not be run as it is configured. The operator of this FlowForge has to look at it."
        case RunOutcome.OUT_OF_MEMORY:
            return "The sandbox ran out of memory. The operator of this FlowForge can raise its limit."
        case RunOutcome.COMMAND_FAILED:
            return (
                "The repository's own command for a generated file failed; its output stands in the report. "
                "Run it by hand, or `/flowforge retry`."
            )
        case _:
            assert_never(outcome)


def commands_ended(outcome: RunOutcome) -> str:
    """The same for a run of the repository's own commands."""
    match outcome:
        case RunOutcome.NO_REPORT | RunOutcome.INVALID_OUTPUT:
            return "What the repository's own command left could not be taken. Run it by hand, or `/flowforge retry`."
        case RunOutcome.MAX_OUTPUT:
            return "The repository's own command printed more than it may, and was stopped. Run it by hand."
        case RunOutcome.MISCONFIGURED:
            return "The sandbox could not start. The operator of this FlowForge has to look at it."
        case RunOutcome.INFRA_RETRYABLE:
            return (
                "The sandbox could not be run, again and again; that is no fault of the command. "
                "`/flowforge retry` tries again; the log of this FlowForge says why."
            )
        case _:
            return run_ended(outcome)


def tests_ended(outcome: RunOutcome, detail: str) -> str:
    """Why the repository's tests said nothing; ``detail`` is the machinery's word on it, untrusted."""
    match outcome:
        case RunOutcome.NO_REPORT | RunOutcome.INVALID_OUTPUT | RunOutcome.SUCCEEDED:
            why = "What the sandbox sent back could not be read"
        case RunOutcome.MAX_OUTPUT:
            why = "They printed more than they may, and were stopped"
        case RunOutcome.OUT_OF_MEMORY:
            why = "The sandbox ran out of memory"
        case _:
            why = "No sandbox could be had for them"
    told = detail and outcome is not RunOutcome.OUT_OF_MEMORY and outcome not in OF_THE_OPERATOR
    return f"{why}: {detail}" if told else why


def waits_for_the_rest(command: str) -> str:
    """A generated file is in conflict, and nobody made it anew yet."""
    return f"{_command(command)} makes this file anew as soon as every other conflict is settled."


def made_by(command: str) -> str:
    """What has to be run for a generated file."""
    return f"{_command(command)} makes this file."


def made_anew(command: str, seconds: float) -> str:
    """A generated file has a new content; ``seconds`` is what all commands together took."""
    return f"Made anew by {_command(command)} on the merged tree, in {seconds:.1f} s, and not merged."


def made_also(command: str) -> str:
    """A file that was not in conflict, which a command changed because it may."""
    return f"It was not in conflict; {_command(command)}, which makes this file, changed it."


def command_said(tail: str) -> str:
    """What a command printed last before it failed. Untrusted text."""
    words = " ".join(redact(tail).split())
    return f"It was run, and its output ends so: {code_span(words[-_TAIL:], limit=_TAIL)}"


def could_not_be_taken(why: str) -> str:
    """What a command left is not what a sandbox may send back."""
    return f"It was run, but what it left cannot be taken: {why}."


def made_did_not_pass(result: GateResult) -> str:
    """A file was made anew, and the gate turned that down."""
    return f"It was made anew, but that did not pass the checks: {_first(result)}"


def _command(command: str) -> str:
    return code_span(command, limit=_COMMAND)


def tried_too_often(error: str) -> str:
    """A step failed again and again for reasons that are ours."""
    return f"FlowForge could not finish: {error}. Nothing was changed; `/flowforge retry` tries again."


def push_unclear(error: str) -> str:
    """A push was begun, and whether it arrived cannot be told."""
    return (
        f"FlowForge could not see whether its push arrived: {error}. Look at the pull request's branch: "
        "it holds either the proposed commit or what it held before."
    )


def ok_given(head_sha: str) -> str:
    """An ``ok`` was written down."""
    return (
        f"FlowForge may work on `{head_sha[:12]}` now, and on no later commit without a new `ok`. "
        "`/flowforge resolve` starts."
    )


def nobody_answers_for(head_sha: str) -> str:
    """The head of a fork is another one than somebody gave their ``ok`` for."""
    return (
        f"The head of this fork is `{head_sha[:12]}` now, which nobody with write permission here has looked at. "
        f"Nothing was run. If it is harmless, say `/flowforge ok {head_sha}`, and then ask again."
    )


def may_no_longer_ask(login: str) -> str:
    """Whoever asked lost the permission while the work was under way."""
    return f"{code_span(login)} may no longer ask for this here, so the result was thrown away."


def left_to_people(count: int) -> str:
    """Some conflicts are for people only."""
    what = "One conflict is" if count == 1 else f"{count} conflicts are"
    return f"{what} for a person to decide."


def rules_did_not_pass(result: GateResult) -> str:
    """Rules settled a file, and the gate turned that down."""
    return f"Rules answered this, but their result did not pass the checks: {_first(result)}"


def did_not_pass(result: GateResult) -> str:
    """A file was resolved, and the gate turned that down."""
    return f"Its resolution did not pass the checks: {_first(result)}"


def _first(result: GateResult) -> str:
    return next(finding.message for finding in result.findings if finding.verdict is not GateVerdict.PASS)


def rebase_too_long(most: int) -> str:
    """A series of too many commits."""
    return f"The pull request has more than {most} commits; rebase it by hand, or `/flowforge resolve` merges instead."


def rebase_of_merge(commit: str) -> str:
    """A series with merges in it."""
    return (
        f"The pull request holds a merge (`{commit[:12]}`), and a rebase would undo what was resolved there. "
        "`/flowforge resolve` merges instead."
    )


def rebase_impossible(commit: str, reason: str) -> str:
    """Git cannot bring a commit onto the base at all."""
    return f"git cannot bring `{commit[:12]}` onto the base: {reason}. `/flowforge resolve` merges instead."


def rebase_stopped(commit: str, count: int) -> str:
    """A commit of a series conflicts, and rules and the direct call do not settle that."""
    what = "one conflict" if count == 1 else f"{count} conflicts"
    return (
        f"Commit `{commit[:12]}` has {what} that neither rules nor one call of the model settle; a rebase asks no "
        "agent. `/flowforge resolve` merges instead."
    )


def rebase_too_wide(commit: str, reason: str) -> str:
    """A commit of a series conflicts in more files than the repository leaves to us."""
    return f"Commit `{commit[:12]}`: {reason}"


def rebase_dry_run(count: int) -> str:
    """What a rebase would do."""
    return f"This was a dry run: {count} commits would be brought onto the base. No model was asked."


def undecided_hunk(index: int, reason: str) -> str:
    """Why a model leaves a conflict open; ``reason`` is its own word, untrusted."""
    return f"Conflict {index + 1} was left open: {reason}"


def gate_failed(tries: int, first: str) -> str:
    """A result was turned down by the gate, for the last time; ``first`` is the first check it failed.

    ``tries`` counts the agent's; 0 where none took part.
    """
    who = {0: "The resolution", 1: "The agent answered once, and its work"}.get(
        tries, f"The agent answered {tries} times, and its work"
    )
    return (
        f"{who} did not pass every check ({first} first of all). "
        "What did not pass was not taken; the report says what was wrong."
    )


def tree_refused(why: str) -> str:
    """The repository holds what no checkout may have."""
    return f"FlowForge does not work on this state of the repository: {why}. Merge it by hand."


REBASE_MAKES_NOTHING = "A rebase runs no command; `/flowforge resolve` merges instead, and runs it."
TESTS_AT_WORK = "the repository's tests are running"
COMMAND_AT_WORK = "the repository's own command makes generated files anew"
CLEAN = "The pull request merges cleanly with its base: there is no conflict to resolve."
UP_TO_DATE = "The pull request holds everything of its base already: there is nothing to merge."
DRY_RUN = "This was a dry run: it shows what conflicts and who would resolve it. No model was asked."
IMPOSSIBLE = "git cannot merge these two histories. They may have no common ancestor; merge them by hand."
CLOSED = "The pull request was closed, so there is nothing left to do here."
GONE = "FlowForge may no longer work in this repository."
MOVED_ON = "Head or base moved while the work was under way, so its result is void."
CANCELLED = "Cancelled on request."
SUPERSEDED = "A newer request took its place."
REJECTED = "The proposal was discarded on request; its branch is deleted."
ROLLED_BACK = "The pull request's branch is back where it was before the resolution."
REVERT_CONFLICTS = (
    "Later commits touch the same lines, so the merge cannot be reverted without conflict. Revert it by hand."
)


def undecided(count: int) -> str:
    """The agent itself says that it cannot decide."""
    what = "one file" if count == 1 else f"{count} files"
    return f"The agent could not decide {what}. Its reasons stand below."


def push_refused(reason: str) -> str:
    """The forge does not let us push."""
    return f"The forge refuses the push: {reason}. The resolution stays on its branch; the commands below apply it."


def branch_refused(reason: str) -> str:
    """The forge does not even let us show the proposal."""
    return (
        f"The forge takes no branch of ours: {reason}. So there is no proposal. Let FlowForge's user push branches "
        "whose names begin with `flowforge/`, also where rules on messages or authors of commits hold; then ask again."
    )


NOT_WHAT_WAS_APPROVED = (
    "What is stored is not what was approved, so nothing was pushed. The operator has to look at it."
)
NOTHING_PUBLISHED = "There is no resolution of ours on this pull request to undo."


def moved(moved: Moved, *, names: int | None = None) -> str:
    """What is not where the work found it; ``names`` is the pull request that the base's newest commit speaks of."""
    match moved.what:
        case Branch.HEAD:
            what = "The head"
        case Branch.BASE:
            what = code_span(moved.base_ref)
        case Branch.TARGET:
            return f"The pull request goes to {code_span(moved.now or '')} now, and not to {code_span(moved.before)}."
        case _:
            assert_never(moved.what)
    if moved.now is None:
        return f"{what} is gone."
    by = "" if names is None else f", which names pull request {names}"
    return f"{what} moved from `{moved.before[:12]}` to `{moved.now[:12]}`{by}."


def afresh(moved: str) -> str:
    """The work under way is void, and begins again by itself."""
    return f"{moved} The work begins afresh."


def begins_afresh(moved: str) -> str:
    """What a job waits for that takes the place of one whose head or base moved."""
    return f"waits a moment to begin afresh. {moved}"


def may_not_ask_again(login: str) -> str:
    """Whoever asked may no longer ask for it."""
    return f"{code_span(login)} may no longer ask for this here. Comment `/flowforge resolve` to have it done for you."


def ended_by_move(reason: EndReason, moved: str, *, most: int) -> str:
    """What was under way is void and stays so; ``most`` is how often in a row work begins again by itself."""
    match reason:
        case EndReason.PROPOSAL_VOID:
            return f"{moved} This was proposed for what was there before, so it is void. {ASK_AGAIN}"
        case EndReason.ROLLBACK_VOID:
            return f"{moved} Nothing was put back. Comment `/flowforge rollback` to start again."
        case EndReason.FIX_VOID:
            return f"{moved} The fix was for what was there before, so it is void. {FIX_AGAIN}"
        case EndReason.TOO_OFTEN:
            return (
                f"{moved} The work began afresh {most} times in a row for such reasons, so it does not once more by "
                f"itself. {ASK_AGAIN}"
            )
        case EndReason.PUSHED_BY_HAND:
            return "The proposed commit is the head of the pull request now: somebody pushed it."
        case _:
            assert_never(reason)


LEFT_TITLE: Final = "Went on with a newer commit"


def left(commit: str) -> str:
    """A job began on another head than the one that it was asked for."""
    return f"Commits came before the work began; it is about {commit}, where its check run is."


def not_afresh(moved: str, why: str) -> str:
    """What was under way is void, and may not begin again."""
    return f"{moved} The work does not begin afresh: {why}"


OWNER_BY_ADDRESS: Final = "Addresses cannot be matched with accounts; name the account in `CODEOWNERS` instead."
OWNER_UNCLEAR: Final = "One of them is named in a way that FlowForge does not know."
GROUP_UNSEEN: Final = "Where one of them is a group, FlowForge may not see it, and nobody counts for it."
TEAM_UNKNOWN: Final = "FlowForge may not see who is in one of these teams or groups, so nobody counts for it."


def partly_approved(given: int, needed: int, missing: Sequence[str]) -> str:
    """An approval that is not the last that is needed."""
    return " ".join([f"This is approval {given} of {needed}; nothing is pushed yet.", *missing])
