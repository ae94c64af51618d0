"""Work that people ask for in words: on an issue or a pull request, done by an agent that reads what they wrote."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.forge import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenText:
    """The title and the description of an issue or a pull request as an event saw them. Untrusted text.

    ``at`` is when they were so, where that is known: what was written later is not obeyed.
    """

    title: str
    body: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as the forge describes it at one moment; ``default_branch`` is its repository's."""

    number: int
    title: str
    body: str
    open: bool
    author: Actor
    updated_at: datetime
    default_branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadComment:
    """A comment under an issue or a pull request, as the forge shows it now. Untrusted text."""

    id: int
    author: Actor
    body: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LineComments:
    """Comments on lines of a pull request, without those that are known to be resolved; the oldest of them first.

    ``all_told`` is False where the forge did not tell of each of these whether it is resolved.
    """

    comments: tuple[ThreadComment, ...] = ()
    all_told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingCheck:
    """A check of others that failed on a commit, as the forge shows it now. Untrusted text.

    ``conclusion`` is the forge's own word. ``text`` is what it says about itself, its remarks on lines, or the end of
    its log, as far as the forge tells; empty where it does not.
    """

    name: str
    conclusion: str
    text: str


class Source(StrEnum):
    """Where words in a brief come from. The values are what models and people read."""

    ISSUE = "the issue"
    PULL_REQUEST = "the pull request"
    COMMENT = "a comment"
    CHECK = "a check that failed"
    DIFF = "the changes of the pull request"
    PLAN = "the plan that was made before"
    EARLIER = "what was asked for and done before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words that belong to a piece of work, and whose they are. Untrusted text.

    ``author`` is a login, and ``permission`` what that person might do in the repository when the work was asked for;
    both are empty where no one person wrote it.
    """

    source: Source
    text: str
    author: str = ""
    permission: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a piece of work is about, as it stood when somebody asked for it: kept with the job, and never read again.

    ``notes`` are sentences of ours that people are shown, such as that a later edit was left out.
    """

    title: str
    said: tuple[Said, ...]
    notes: tuple[str, ...] = ()
