"""Ids of things: of our check runs, so that they are found again, and of git's blobs.

A check run carries our own text in its ``external_id``: the job's id before there is a proposal,
``<job id>:<proposal id>`` after. A button has no arguments, so this is how a click says what it was shown on.
https://docs.github.com/en/rest/checks/runs#create-a-check-run
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_EXTERNAL_ID: Final = re.compile(r"([0-9a-f]{32})(?::([0-9a-f]{32}))?")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_OFFER: Final = re.compile(r"<!-- flowforge:offer ([0-9a-f]{32}) -->")
_WATCH_ID: Final = re.compile(r"watch-([1-9][0-9]{0,9})-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalId:
    """What one of our check runs is about; ``proposal_id`` is None as long as nothing is proposed."""

    job_id: str
    proposal_id: str | None


def make_external_id(job_id: str, proposal_id: str | None = None) -> str:
    """The ``external_id`` of the check run of a job, or of a job's proposal.

    Raises:
        ValueError: an id is not 32 lower-case hexadecimal digits.
    """
    for part in (job_id, *([] if proposal_id is None else [proposal_id])):
        if _ID.fullmatch(part) is None:
            raise ValueError("an id has 32 lower-case hexadecimal digits")
    return job_id if proposal_id is None else f"{job_id}:{proposal_id}"


def parse_external_id(text: str) -> ExternalId | None:
    """Take an ``external_id`` apart; None for one that we did not make."""
    found = _EXTERNAL_ID.fullmatch(text)
    return None if found is None else ExternalId(job_id=found[1], proposal_id=found[2])


def make_watch_id(number: int, head_sha: str) -> str:
    """The ``external_id`` of the conflict watch's check run on one head of a pull request.

    The events of check runs do not name a pull request; this does.
    """
    return f"watch-{number}-{head_sha[:12]}"


def parse_watch_id(text: str) -> int | None:
    """The number of the pull request in an ``external_id`` of the conflict watch; None for any other."""
    found = _WATCH_ID.fullmatch(text)
    return None if found is None else int(found[1])


def make_offer_mark(proposal_id: str) -> str:
    """The hidden line of the sticky comment that says which proposal an emoji under it approves.

    Raises:
        ValueError: the id is not 32 lower-case hexadecimal digits.
    """
    if _ID.fullmatch(proposal_id) is None:
        raise ValueError("an id has 32 lower-case hexadecimal digits")
    return f"<!-- flowforge:offer {proposal_id} -->"


def offered_in(body: str) -> str | None:
    """The proposal that a comment of ours offers for approval by an emoji: the comment's second line says so."""
    lines = body.splitlines()[:2]
    found = _OFFER.fullmatch(lines[1]) if len(lines) > 1 else None
    return None if found is None else found[1]


def page_key(forge: str, action_id: str) -> str:
    """The key of the intent that comes of an action on the approval page of a proposal on that forge."""
    return f"{forge}:page:{action_id}"


def blob_id(content: bytes) -> str:
    """The id that git gives to a file of this content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects ."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
