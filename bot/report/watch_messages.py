"""The sentences of the conflict watch. Parameters are Markdown already."""

from typing import Final

CONFLICT_TITLE: Final = "A push to the base branch made this conflict"
CLEAN_TITLE: Final = "This merges again"
RESOLVE_LABEL: Final = "Resolve"
RESOLVE_DESCRIPTION: Final = "Have the conflicts resolved"
PATHS: Final = "In conflict:"


def conflict(base: str, base_commit: str, head_commit: str) -> str:
    """What does not merge with what."""
    return f"{head_commit} no longer merges with {base} ({base_commit})."


def clean(base: str, base_commit: str) -> str:
    """What merges again."""
    return f"It merges with {base} ({base_commit}) without conflict."


def cause(commit: str, pull_request: str, subject: str) -> str:
    """Since when: before that commit of the base there was no conflict."""
    words = f" Its message begins: {subject}" if subject else ""
    return f"The conflict came with commit {commit}{pull_request}.{words}"


def pull_request(number: int) -> str:
    """Where a commit says it comes from."""
    return f", which names pull request {number}"


def more(count: int) -> str:
    """Paths that are not listed."""
    return f"* and {count} more"


def what_next(command: str) -> str:
    """What a person can do."""
    return f"The button *Resolve*, or the comment {command}, has FlowForge propose a resolution. Nothing is pushed yet."
