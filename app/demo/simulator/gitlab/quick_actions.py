"""Quick actions: lines of a comment that GitLab carries out as its author, and cuts out of it.

Source: https://docs.gitlab.com/user/project/quick_actions/ . Of the many there are, ``/close`` has its effect here; the
others that could harm a merge request are only counted and cut out, so that a test sees that somebody gave one.
"""

import re
from dataclasses import dataclass

from app.demo.simulator.acts_threads import close_pull
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.state import Account, Issue, PullRequest

KNOWN = (
    "approve",
    "assign",
    "close",
    "draft",
    "label",
    "lock",
    "merge",
    "ready",
    "rebase",
    "reopen",
    "request_review",
    "target_branch",
    "title",
    "unassign",
    "unlabel",
)
ACTION = re.compile(rf"/(?P<name>{'|'.join(KNOWN)})(?:\s.*)?", re.IGNORECASE)
FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A comment without its quick actions, and their names."""

    body: str
    actions: tuple[str, ...]


def split(body: str) -> Split:
    """Cut the quick actions out of a comment; what stands in a code block is none."""
    kept: list[str] = []
    actions: list[str] = []
    fence = ""
    for line in body.split("\n"):
        mark = FENCE.match(line)
        if mark is not None and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        found = None if fence or mark is not None else ACTION.fullmatch(line.rstrip())
        if found is None:
            kept.append(line)
        else:
            actions.append(found["name"].casefold())
    return Split(body="\n".join(kept) if actions else body, actions=tuple(actions))


def carry_out(site: GitLabSite, thread: Issue, actor: Account, actions: tuple[str, ...]) -> None:
    """Do what the quick actions say."""
    if "close" in actions and isinstance(thread, PullRequest) and thread.open:
        close_pull(site, thread, actor)
