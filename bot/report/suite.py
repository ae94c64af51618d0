"""What a report says about the repository's tests. Their command is ours to trust, what they printed is not."""

from typing import Final, assert_never

from bot.config_keys import CONFIG_PATH
from bot.model.jobs import JobState
from bot.model.proposals import ProposalKind, SuiteEvidence, SuiteOutcome
from bot.model.reports import JobView
from bot.redact import redact
from bot.report import messages
from bot.report.markdown import code, details, fence, size
from bot.report.sections import joined, told

_COMMAND_ROOM: Final = 200
_DETAIL_ROOM: Final = 600
_LOG_ROOM: Final = 4_000
"""Units of the fence that holds the end of a log, with its bars."""

NOT_RUN: Final = "No tests were run on this."
NOT_CONFIGURED: Final = (
    f"No tests were run: no `test_command` stands in `{CONFIG_PATH}` on the base branch, nor in an organisation's file."
)
UNDER_WAY: Final = "The repository's tests are running."
ALL_THE_SAME: Final = "To approve it is to decide that it is pushed all the same."
LOG: Final = "The end of what the tests printed"


def section(view: JobView) -> str:
    """What the tests said about a proposal, what that means for its approval, and the end of their log."""
    if view.proposal is None or view.proposal.kind is ProposalKind.PARTIAL:
        return ""
    tests = view.tests
    news, *said = ("", NOT_RUN) if tests is None else _words(tests)
    log = "" if tests is None or not tests.log_tail.strip() else details(LOG, _log(tests.log_tail))
    parts = [f"**{news}**" if news else "", *said, _meaning(view)]
    return joined([" ".join(part for part in parts if part), log])


def _meaning(view: JobView) -> str:
    if view.job.state is not JobState.AWAITING_APPROVAL:
        return ""
    if view.blocked_by_tests:
        return blocked(view.tests_demanded_in)
    bad = view.tests is not None and view.tests.outcome in {SuiteOutcome.FAILED, SuiteOutcome.TIMED_OUT}
    return ALL_THE_SAME if bad else ""


def blocked(where: str) -> str:
    """Why a proposal may not be approved yet; ``where`` is the file that says so, as Markdown."""
    return f"Nothing is approved here before its tests pass (`tests_must_pass` in {where})."


def sentence(tests: SuiteEvidence) -> str:
    """How the tests ended, in a sentence or two."""
    return " ".join(part for part in _words(tests) if part)


def _words(tests: SuiteEvidence) -> tuple[str, str, str]:
    """The news in two or three words, the sentence that says more, and what was not in the sandbox."""
    command = code(redact(tests.command), _COMMAND_ROOM)
    left_out = _left_out(tests.left_out) if tests.left_out else ""
    match tests.outcome:
        case SuiteOutcome.UNDER_WAY:
            return "", UNDER_WAY, ""
        case SuiteOutcome.PASSED:
            return "Tests passed.", f"{command} ended well on exactly this tree{_after(tests)}.", left_out
        case SuiteOutcome.FAILED:
            return "Tests failed.", f"{command} {_end(tests)}{_after(tests)}.", left_out
        case SuiteOutcome.TIMED_OUT:
            return "Tests did not finish.", f"{command} was stopped{_after(tests)}.", left_out
        case SuiteOutcome.COULD_NOT_RUN:
            return "Tests could not be run.", told(_ended(tests.detail), _DETAIL_ROOM), ""
        case SuiteOutcome.NOT_CONFIGURED:
            return "", NOT_CONFIGURED, ""
        case _:
            assert_never(tests.outcome)


def in_title(view: JobView) -> str:
    """How the tests ended, for the title of a check run whose proposal waits for approval."""
    if view.tests is None or view.job.state is not JobState.AWAITING_APPROVAL:
        return ""
    match view.tests.outcome:
        case SuiteOutcome.PASSED:
            return "; its tests passed"
        case SuiteOutcome.FAILED:
            return "; its tests failed"
        case SuiteOutcome.TIMED_OUT:
            return "; its tests did not finish"
        case SuiteOutcome.COULD_NOT_RUN:
            return "; its tests could not be run"
        case SuiteOutcome.NOT_CONFIGURED | SuiteOutcome.UNDER_WAY:
            return ""
        case _:
            assert_never(view.tests.outcome)


def _end(tests: SuiteEvidence) -> str:
    if tests.exit_status is not None:
        return f"ended with status {tests.exit_status}"
    return "was ended" if tests.signal is None else f"was ended by signal {tests.signal}"


def _after(tests: SuiteEvidence) -> str:
    if tests.duration_ms is None:
        return ""
    seconds = tests.duration_ms / 1000
    return " within a second" if round(seconds) < 1 else f" after {messages.seconds(seconds)}"


def _ended(detail: str) -> str:
    return detail if detail.endswith((".", "…")) or not detail else f"{detail}."


def _left_out(count: int) -> str:
    what = "One link or submodule" if count == 1 else f"{count:,} links or submodules"
    return f"{what} of the tree {'is' if count == 1 else 'are'} not in the sandbox."


def _log(text: str) -> str:
    """The end of a log in a fence; what does not fit goes at its beginning, by whole lines where there are any."""
    shown = redact(text)
    block = fence(shown)
    while size(block) > _LOG_ROOM:
        shown = shown[len(shown) // 8 + 1 :]
        _, _, rest = shown.partition("\n")
        block = fence(f"…\n{rest or shown}")
    return block
