"""The sentences of the approval page. Words between backticks are shown as code."""

from typing import Final

from bot.commands import PREFIX
from bot.model.forge import PRODUCTS, ForgeName, kind_of

NAME: Final = "FlowForge"
NOT_FOR_YOU: Final = "Programs do not approve what is proposed here."

SIGN_IN_TITLE: Final = "Sign in to look at a proposal"
SIGN_IN: Final = (
    "FlowForge asks your forge who you are, and nothing else. It keeps no token. What you may do here is what you may "
    "do in the repository."
)
NOT_FOUND_TITLE: Final = "There is nothing here for you"
NOT_FOUND: Final = (
    "Either there is no such proposal, or you may not read its repository with the account that you signed in with."
)
ANOTHER_ACCOUNT: Final = "Sign in anew"
OFF_TITLE: Final = "There is no approval page here"
OFF: Final = "Whoever runs this FlowForge has not set up signing in. Approve in the pull request: its comment says how."
FAILED_TITLE: Final = "You are not signed in"
WRONG_STATE: Final = (
    "This answer does not belong to a sign-in that this browser began in the last ten minutes. It was not used."
)
DENIED: Final = "The forge did not tell who you are. Nothing was changed."
FROM_THE_LINK: Final = "Open the link in the pull request's comment again."
AWAY_TITLE: Final = "This does not work just now"
AWAY: Final = "Something that FlowForge needs does not answer. Nothing was changed. Try again in a minute."
BUSY_TITLE: Final = "Too much at once"
BUSY: Final = "FlowForge has too many such requests just now. Try again in a minute."
FORM_TITLE: Final = "This was not done"
FORM: Final = (
    "The form did not come from a page that FlowForge showed you in this session about this proposal. Nothing was "
    "changed. Open the proposal again."
)
REPLACE_FIRST: Final = "Say first that the old commits may be replaced. Nothing was changed."
OPEN_AGAIN: Final = "Open the proposal again"
MISTAKE_TITLE: Final = "FlowForge made a mistake"
MISTAKE: Final = "Nothing was changed by this request. Try again; the operator's log says more."

UNDER_WAY: Final = "Your decision is kept and will be looked at in a moment. This page looks again by itself."
LOST: Final = "Your decision could not be carried out. Try again; the operator's log says why."
TAKEN: Final = "Your decision counts."
NOT_TAKEN: Final = "Your decision was not carried out:"

TO_DECISION: Final = "To your decision"
RESOLVED: Final = "What was resolved, and how"
EVIDENCE: Final = "Evidence"
CHANGE: Final = "The change, exactly"
AGAINST_HEAD: Final = "What the push changes on the branch"
AGAINST_BASE: Final = "What is then different from the base"
DECISION: Final = "Your decision"
APPROVE: Final = "Approve and push"
DISCARD: Final = "Discard"
APPROVE_MEANS: Final = (
    "Approving counts for exactly the commit and the diff that this page shows, and lapses when head or base moves. "
    "Discarding changes nothing in the pull request."
)
MAY_NOT_APPROVE: Final = "You cannot approve this:"
MAY_NOT_DISCARD: Final = "You cannot discard this:"
NO_CHANGE: Final = "Nothing changes."
NO_DIFF: Final = "The diff is shown here while a decision is waited for. You can see it for yourself:"
TOO_LARGE: Final = (
    "The diff is too large for this page, so it cannot be approved here. Look at it on your machine, then approve with "
    "a comment:"
)
SEE_FOR_YOURSELF: Final = "See for yourself"
FINDINGS: Final = "Worth a look:"
NO_TESTS: Final = "The repository's tests did not run on this."
TESTS_COULD_NOT_RUN: Final = "Tests could not be run."
NO_REASON: Final = "no reason given"
TABLE: Final = ("File", "Conflict", "Resolved by", "Why")


def sign_in_with(forge: ForgeName) -> str:
    """The button that leads to the forge."""
    return f"Sign in with {PRODUCTS[kind_of(forge)]}"


def replaces(old: str, branch: str) -> str:
    """What somebody agrees to who approves a rebase."""
    return f"Yes, replace the commits of `{branch}` up to `{old}` by force."


def checks(count: int) -> str:
    """What stands above the checks that a result passed."""
    return f"{count} checks looked at it before anybody was asked"


def not_shown(count: int, total: int) -> str:
    """What stands above the names of files that are too much for the page."""
    return f"{count:,} of {total:,} files are too much for this page. They change, too:"


def left_out(count: int) -> str:
    """What stands under a table that was cut."""
    return f"{count:,} more are not listed here."


def approve_by_command(commit: str) -> str:
    """The comment that approves."""
    return f"{PREFIX} approve {commit}"


def signed_in(login: str, forge: ForgeName) -> str:
    """Who looks at the page."""
    return f"Signed in as `{login}` on {PRODUCTS[kind_of(forge)]}"
