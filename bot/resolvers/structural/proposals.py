"""What a situation has to say about a hunk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A text for a hunk, found in one situation; ``reason`` is for reviewers, ``certain`` says whether to apply it."""

    index: int
    content: bytes
    situation: str
    reason: str
    certain: bool
