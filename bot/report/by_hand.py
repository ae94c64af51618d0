"""How a person finishes a merge that has open conflicts, in commands to copy."""

import shlex
from collections.abc import Sequence
from typing import Final

from bot.model.intents import Strategy
from bot.model.proposals import Proposal, ProposalKind, ProposalState
from bot.model.reports import ConflictRecord, JobView, ResolutionStatus
from bot.report import messages
from bot.report.markdown import size
from bot.report.sections import joined, shell

_LINE_ROOM: Final = 500
_MAX_LINES: Final = 4


def by_hand(view: JobView) -> str:
    """The commands for the merge or rebase as git leaves it, or for a merge on top of what was settled."""
    job = view.job
    base = job.base_sha or "FETCH_HEAD"
    part = unfinished(view.proposal)
    fetch = ["git", "fetch", "origin", f"refs/heads/{job.request.base_ref}"]
    if job.request.strategy is Strategy.REBASE:
        commands = [
            shlex.join(fetch),
            shlex.join(["git", "checkout", job.request.head_ref]),
            shlex.join(["git", "rebase", base]),
        ]
        return joined([messages.BY_HAND_REBASE, shell(commands), messages.BY_HAND_REBASE_AFTER])
    if part is None:
        commands = [shlex.join(fetch), shlex.join(["git", "merge", base])]
        return joined([messages.BY_HAND, shell(commands), messages.BY_HAND_AFTER])
    commands = [
        shlex.join([*fetch, f"refs/heads/{part.branch}"]),
        shlex.join(["git", "checkout", job.request.head_ref]),
        shlex.join(["git", "merge", "--no-commit", base]),
        *_settled(view.conflicts, part),
    ]
    return joined([messages.UNFINISHED, shell(commands), messages.BY_HAND_AFTER])


def unfinished(proposal: Proposal | None) -> Proposal | None:
    """The proposal, where it is a part of a merge whose branch is there."""
    if proposal is None or proposal.kind is not ProposalKind.PARTIAL or proposal.state is not ProposalState.OPEN:
        return None
    return proposal


def _settled(records: Sequence[ConflictRecord], part: Proposal) -> list[str]:
    """Bring the settled files into the merge: by name where few, else all that the branch changes.

    Names are chosen by strangers: quoted for the shell, literal for git.
    """
    done = [record for record in records if record.status is ResolutionStatus.RESOLVED]
    kept = [record.path for record in done if record.oid is not None]
    gone = [record.path for record in done if record.oid is None]
    git = ["git", "--literal-pathspecs"]
    by_name = [
        *_lines([*git, "checkout", part.commit, "--"], kept),
        *_lines([*git, "rm", "--quiet", "--ignore-unmatch", "--"], gone),
    ]
    if len(by_name) <= _MAX_LINES and all(path.isprintable() for path in (*kept, *gone)):
        return by_name
    changed = ["git", "diff", "-z", "--no-renames", "--name-only"]
    names = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    return [
        f"{shlex.join([*changed, filter_, part.head_sha, part.commit])} | {shlex.join([*git, *verb, *names])}"
        for filter_, verb in (
            ("--diff-filter=d", ["checkout", part.commit]),
            ("--diff-filter=D", ["rm", "--quiet", "--ignore-unmatch"]),
        )
    ]


def _lines(command: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The command over all paths, in as many lines as it needs."""
    lines: list[str] = []
    for path in paths:
        word = shlex.quote(path)
        if lines and size(lines[-1]) + size(word) < _LINE_ROOM:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{shlex.join(command)} {word}")
    return lines
