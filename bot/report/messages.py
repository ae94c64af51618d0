"""The sentences of reports. Why a job ended as it did stands in ``bot.report.endings``.

Parameters are Markdown already: words of others come here as code spans or by way of ``bot.report.markdown.inline``.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, assert_never

from bot.commands import PREFIX, CommandName
from bot.model.cases import Choice
from bot.model.conflicts import ConflictKind
from bot.model.resolutions import LineOrigin, Tier

NAME: Final = "FlowForge"


def command(name: CommandName, argument: str = "") -> str:
    """A command as people write it."""
    return f"{PREFIX} {name.value} {argument}".strip()


def _code(name: CommandName) -> str:
    return f"`{command(name)}`"


def asked_by(login: str) -> str:
    """Who asked for a job."""
    return f"Asked for by {login}."


QUEUED: Final = f"It starts as soon as a worker is free. {_code(CommandName.CANCEL)} takes it back."
WORKING: Final = f"Nothing is pushed before somebody approves it. {_code(CommandName.CANCEL)} stops the work."
ROLLING_BACK: Final = f"{_code(CommandName.CANCEL)} stops it."
PUBLISHING: Final = "The approved commit is being pushed."
PUTTING_BACK: Final = "The branch is being put back."
CANCELLED: Final = "It was stopped on request. Nothing was changed."
REJECTED: Final = "It was discarded on request. Nothing was changed."
SUPERSEDED: Final = "What it was made for has changed since, so it is void. Nothing was changed."
NOTHING_TO_DO: Final = "There is no conflict."
REPORTED: Final = "This was a dry run."
UNRESOLVED: Final = "Not every conflict could be resolved. Nothing was changed."
REFUSED: Final = "This may not be done. Nothing was changed."
FAILED: Final = "FlowForge could not finish. Nothing was changed."


def merging(base: str, base_commit: str, head: str, head_commit: str) -> str:
    """What is merged into what."""
    return f"Merge of {base} ({base_commit}) into {head} ({head_commit})."


def rebasing(head: str, head_commit: str, base: str, base_commit: str) -> str:
    """What is brought onto what."""
    return f"Rebase of {head} ({head_commit}) onto {base} ({base_commit})."


def proposed(commit: str, head: str, diff_hash: str) -> str:
    """What an approval would do."""
    return (
        f"Commit {commit} is ready for {head}. Nothing is pushed before somebody with write access approves it. "
        f"The approval counts for exactly this diff ({diff_hash}) and lapses when head or base moves."
    )


def proposed_change(commit: str, head: str, diff_hash: str) -> str:
    """What an approval of a fix would do."""
    return (
        f"Commit {commit} is ready for {head}. Nothing is pushed before somebody with write access approves it. "
        f"The approval counts for exactly this diff ({diff_hash}) and lapses when the head moves. It was written by a "
        "model that read what checks and people said."
    )


def proposed_rebase(commit: str, head: str, old: str) -> str:
    """What an approval of a rebase would do: it replaces commits."""
    return (
        f"The commits that end in {commit} are ready for {head}, with their authors and messages. Pushing them "
        f"replaces the commits up to {old} by force, so an approval has to name that commit; it "
        "lapses when head or base moves."
    )


def published(commit: str, head: str) -> str:
    """What was pushed."""
    return f"Commit {commit} was pushed to {head}."


def approved_by(logins: Sequence[str]) -> str:
    """Who approved."""
    return f"Approved by {', '.join(logins)}."


UNASKED: Final = "Nobody was asked: `paths` in the configuration lets such changes through (`tier: auto`)."


def superseded_by(job: str) -> str:
    """Which job took this one's place."""
    return f"The newer job is {job}."


def now(progress: str) -> str:
    """What a job is doing."""
    return f"Now: {progress}"


def detail(text: str) -> str:
    """What the machinery had to say about a run's end."""
    return f"Detail: {text}"


def rule(name: str) -> str:
    """The rule behind an end."""
    return f"Rule: {name}"


APPROVE_BY_EMOJI: Final = "Or put a 🚀 (`:rocket:`) under this comment: that pushes exactly this commit, too."
"""For forges without buttons."""


def approval_commands(approve: str) -> tuple[str, ...]:
    """What can be written about a proposal, ``approve`` being the command that approves it."""
    return (
        f"- {approve} pushes exactly this commit.",
        f"- {_code(CommandName.REJECT)} throws it away.",
        f"- {_code(CommandName.RETRY)} starts again.",
    )


def on_the_page(address: str) -> str:
    """Where people can sign in and decide."""
    return f"- [The approval page]({address}) shows all of it, and takes your decision."


NOT_ALL_LISTED: Final = (
    "More files change than can be named here, so no approval is offered: look at the whole diff on your machine, and "
    "push the commit yourself if it is right."
)
NOT_ALL_LISTED_HERE: Final = "More files change than can be named here, so look at them on the approval page:"
ROLLBACK_AFTERWARDS: Final = f"- {_code(CommandName.ROLLBACK)} undoes the push afterwards."


HAND_OVER_COMMANDS: Final = (
    f"- {_code(CommandName.REJECT)} throws the proposal away.",
    f"- {_code(CommandName.RETRY)} starts again.",
)
ROLLBACK: Final = f"{_code(CommandName.ROLLBACK)} takes it back."
RETRY: Final = f"{_code(CommandName.RETRY)} tries again."
RESOLVE: Final = f"{_code(CommandName.RESOLVE)} does it."
ROLLBACK_AGAIN: Final = f"{_code(CommandName.ROLLBACK)} starts again."
FIX_AGAIN: Final = f"{_code(CommandName.FIX)} starts again."
RESOLVE_AGAIN: Final = f"{_code(CommandName.RESOLVE)} starts again."

BY_HAND: Final = "To finish by hand, with the pull request's branch checked out:"
BY_HAND_REBASE: Final = "To rebase by hand, in a clone of this repository:"
BY_HAND_REBASE_AFTER: Final = (
    "Each time it stops, resolve what `git status` names, `git add` it, and `git rebase --continue`. "
    "Then `git push --force-with-lease`, which replaces the old commits."
)
BY_HAND_AFTER: Final = "Then resolve the files above, `git commit`, and `git push`."

TABLE_HEAD: Final = ("| File | Conflict | Resolved by | Why |", "| --- | --- | --- | --- |")
OPEN_TABLE_HEAD: Final = ("| File | Conflict | Why it is open |", "| --- | --- | --- |")
NO_REASON: Final = "no reason given"

CONFLICT_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ConflictKind.CONTENT: "both changed the same lines",
        ConflictKind.ADD_ADD: "both added the file",
        ConflictKind.MODIFY_DELETE: "one changed it, one deleted it",
        ConflictKind.RENAME_DELETE: "one renamed it, one deleted it",
        ConflictKind.RENAME_RENAME: "both renamed it",
        ConflictKind.RENAME_RENAME_TO_ONE: "two files renamed to one name",
        ConflictKind.RENAME_ADD: "one renamed onto it, one added it",
        ConflictKind.DIRECTORY_RENAME: "its directory was renamed",
        ConflictKind.DIRECTORY_FILE: "a file here, a directory there",
        ConflictKind.DISTINCT_TYPES: "of different types",
        ConflictKind.MODE: "different file modes",
        ConflictKind.BINARY: "binary, changed by both",
        ConflictKind.SYMLINK: "a symbolic link",
        ConflictKind.SUBMODULE: "a submodule",
        ConflictKind.LFS_POINTER: "a Git LFS pointer",
        ConflictKind.UNKNOWN: "of a kind unknown to us",
    },
)
RESOLVER_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "identical": "a rule: both sides made the same change",
        "history": "a rule: one side builds on the other",
        "whitespace": "a rule: one side changed only white space",
        "version": "a rule: the larger version",
        "removed": "a rule: one side removed what the other touched up",
        "superset": "a rule: one side made all edits of the other",
        "structural": "a rule: merged by the syntax tree",
        "recorded": "as approved before",
        "regenerate": "made anew by the repository's command",
        "additions": "a rule: the side with more additions",
        "tokens": "a rule: merged word by word",
        "adjacent": "a rule: changes of neighbouring lines",
        "union": "a rule: entries of both sides",
        "both": "a rule: both texts, one after the other",
        "direct": "one call of the model",
        "agent": "Claude Code",
        "person": "a person",
        "people": "a person",
        "several": "several, see below",
    }
)
"""What resolvers are called in reports; ``several`` is a file whose conflicts were settled by different ones."""


def resolver(name: str) -> str | None:
    """What a resolver is called; None for a name that is unknown. After a colon, names say more than people need."""
    return RESOLVER_WORDS.get(name.partition(":")[0])


def tier(value: Tier) -> str:  # noqa: PLR0911 - one text for every tier
    """How an answer counts, in words."""
    match value:
        case Tier.A:
            return "by rules"
        case Tier.RECORDED:
            return "as approved before"
        case Tier.STRUCTURAL:
            return "by the syntax tree"
        case Tier.REGENERATED:
            return "made anew"
        case Tier.B:
            return "a suggestion only"
        case Tier.DIRECT:
            return "by one call of the model"
        case Tier.AGENT:
            return "by Claude Code"
        case Tier.PERSON:
            return "by people"
        case _:
            assert_never(value)


def take(choice: Choice, path: str) -> str:
    """The command by which a person settles a conflict."""
    return command(CommandName.TAKE, f"{choice.value} {path}")


def alternatives(commands: Sequence[str]) -> str:
    """Commands of which one settles a conflict."""
    return f"— {' or '.join(commands)}" if commands else ""


def settled(counts: Mapping[Tier, int], left: int) -> str:
    """How many conflicts were settled by whom: what needed a model and what did not."""
    total = sum(counts.values()) + left
    parts = [f"{counts[value]:,} {tier(value)}" for value in Tier if counts.get(value)]
    if left:
        parts.append(f"{left:,} open")
    what = "1 conflict" if total == 1 else f"{total:,} conflicts"
    return f"{what}: {', '.join(parts)}." if sum(counts.values()) else ""


def taken(choice: Choice, login: str) -> str:
    """A person's decision about a path."""
    match choice:
        case Choice.OURS:
            what = "The pull request's version"
        case Choice.THEIRS:
            what = "The base branch's version"
        case Choice.BASE:
            what = "The version both started from"
        case Choice.DELETE:
            what = "Deletion"
        case _:
            assert_never(choice)
    return f"{what} was taken by {login}."


def lines_from(counts: Mapping[LineOrigin, int], new: Sequence[tuple[int, int]], more: int) -> str:
    """Where the lines of a file come from, at a glance.

    ``new`` are the first spans of those that come from nobody, ``more`` is how many other such spans there are.
    """
    total = sum(counts.values())
    parts = ", ".join(f"{counts[origin]:,} {_origin(origin)}" for origin in LineOrigin if counts.get(origin))
    if not total:
        return ""
    places = ", ".join(f"{first:,}" if first == last else f"{first:,} to {last:,}" for first, last in new)
    places += f" and {more:,} more {'place' if more == 1 else 'places'}" if more else ""
    where = f" ({'line' if len(new) == 1 and new[0][0] == new[0][1] else 'lines'} {places})" if new else ""
    return f"{total:,} {'line' if total == 1 else 'lines'}: {parts}{where}"


def new_lines(count: int) -> str:
    """How many lines of a file come from nobody."""
    return f"**{count:,} new {'line' if count == 1 else 'lines'}, of neither side.**" if count else ""


def _origin(origin: LineOrigin) -> str:
    match origin:
        case LineOrigin.BOTH:
            return "of both sides"
        case LineOrigin.OURS:
            return "ours"
        case LineOrigin.THEIRS:
            return "theirs"
        case LineOrigin.RECOMBINED:
            return "recombined"
        case LineOrigin.NEW:
            return "new"
        case _:
            assert_never(origin)


DETAILS: Final = "Conflict by conflict"
CANDIDATES: Final = "Suggestions for what is open"
TOO_LONG_TO_SHOW: Final = "This text is too long to show here; `flowforge resolve` in a clone does."
SETTLED_HEAD: Final = "Settled so far:"
SUGGESTED: Final = "— Suggestion:"
UNFINISHED: Final = (
    "What is settled stands on a branch of its own, which is no merge. "
    "To finish by hand, in a clone of this repository:"
)


def conflict_number(index: int) -> str:
    """One conflict of a file."""
    return f"conflict {index + 1:,}"


def more_details(count: int) -> str:
    """The end of a list of conflicts that is too long."""
    return f"- and {count:,} more"


def hunks(count: int) -> str:
    """How many regions of a file conflict."""
    return "1 place" if count == 1 else f"{count:,} places"


def more_files(count: int) -> str:
    """The end of a list of files that is too long."""
    return f"- and {count:,} more {_files(count)}"


def more_rows(count: int) -> str:
    """After a table that is too long."""
    return f"And {count:,} more {_files(count)}."


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


CHECK_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "scope_paths": "only conflicted files change",
        "paths": "no protected path",
        "size": "small enough to check",
        "completeness": "every conflict resolved and explained",
        "encoding": "encoding and line ends kept",
        "markers": "no conflict markers",
        "scope_hunks": "nothing outside the conflicts changes",
        "lost_lines": "no line lost that both sides keep, no part of a side lost silently",
        "syntax": "no new parse errors",
        "unicode": "no hidden or look-alike characters",
        "credentials": "no credentials",
        "ingest": "the sandbox's answer is well formed",
        "workspace": "nothing odd left in the workspace",
        "sensitive": "nothing new in what builds or installs",
        "weakened_tests": "no test weakened or deleted",
        "switches": "lines that weaken a safeguard are pointed out",
        "provenance": "what comes from neither side is named",
        "dropped_side": "what was left out of a side is shown",
        "deleted": "no file deleted",
        "places": "no new file in the place of something else",
        "lfs": "no pointer of Git LFS changed",
    },
)


NOTES: Final = "Notes:"


def checks_passed(count: int, notes: int) -> str:
    """All checks of the gate passed: the line of the fold that says what they were."""
    passed = f"All {count} checks passed"
    return passed if not notes else f"{passed}, with {'a note' if notes == 1 else f'{notes:,} notes'}"


CHECKS_FAILED: Final = "**Checks not passed:**"


def more_findings(count: int) -> str:
    """The end of a list of findings that is too long."""
    return f"- and {count:,} more"


def more_notes(count: int) -> str:
    """What the checks say besides what they hold against a result."""
    return "1 note of the checks" if count == 1 else f"{count:,} notes of the checks"


def at_line(first: int, last: int) -> str:
    """Where in a file."""
    return f", line {first:,}" if first == last else f", lines {first:,} to {last:,}"


DIFF_AGAINST_HEAD: Final = "What the pull request's branch gains"
DIFF_AGAINST_BASE: Final = "What the pull request changes, compared with its base"
SEE_FOR_YOURSELF: Final = "See it on your machine"
NO_CHANGE: Final = "No difference."
BINARY: Final = "binary, so its content is not shown"
CRLF: Final = "lines end with CRLF"
FILE_REMARKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "new file mode 120000": "new symbolic link",
        "new file mode 160000": "new submodule",
        "new file mode 100755": "new file, executable",
        "new file": "new file",
        "deleted file": "deleted",
    },
)


def mode_changed(old: str, new: str) -> str:
    """A file's mode changed."""
    return f"mode {old} became {new}"


def not_shown(hidden: int, total: int) -> str:
    """The whole diff does not fit."""
    return f"{hidden:,} of {total:,} changed {_files(total)} do not fit here; the commands below show all of it:"


def summary_with_numbers(title: str, files: int, added: int, removed: int) -> str:
    """The line of a fold that holds a diff."""
    return f"{title}: {files:,} {_files(files)}, +{added:,} −{removed:,}"  # noqa: RUF001 - a minus sign


def seconds(value: float) -> str:
    """A duration as people say it."""
    whole = round(value)
    if whole < 1:
        return "under 1 s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number:,} {unit}" for number, unit in parts if number)


def footer(job: str, parts: list[str]) -> str:
    """The last line: the job and what it took."""
    return " · ".join([f"Job {job}", *parts])


def model_calls(count: int, tokens_in: int, tokens_out: int, cost_usd: float) -> list[str]:
    """What the model was used for."""
    if not count:
        return ["no model call"]
    calls = "1 model call" if count == 1 else f"{count:,} model calls"
    return [calls, f"{tokens_in:,} tokens in, {tokens_out:,} out", f"USD {cost_usd:,.4f}"]


APPROVE_LABEL: Final = "Approve & push"
APPROVE_DESCRIPTION: Final = "Push exactly the commit shown here"
RETRY_LABEL: Final = "Retry"
RETRY_DESCRIPTION: Final = "Start again from the beginning"
DISCARD_LABEL: Final = "Discard"
DISCARD_DESCRIPTION: Final = "Throw this proposal away"
TAKE_LABELS: Final[Mapping[Choice, tuple[str, str]]] = MappingProxyType(
    {
        Choice.OURS: ("Take ours", "Use the pull request's version"),
        Choice.THEIRS: ("Take theirs", "Use the base branch's version"),
        Choice.DELETE: ("Delete", "Delete the file in conflict"),
    }
)
"""Labels and descriptions of the buttons that settle the one conflict that is open."""

ANNOTATION_TITLE: Final = "In the result that was turned down"

NO_JOB: Final = f"There is no job on this pull request yet. {_code(CommandName.RESOLVE)} starts one."
STATUS_POINTER: Final = "The FlowForge comment on this pull request has the details."


def status(job: str, state: str) -> str:
    """Where the newest job stands."""
    return f"Job {job}: {state}."
