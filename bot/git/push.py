"""Moving one ref of the forge, with a lease; and what a refused push means."""

import re
from dataclasses import dataclass
from typing import Final

from bot.errors import GitError, LeaseRejectedError, PushRefusedError
from bot.git.process import Completed, clean_words
from bot.git.refs import check_oid, check_ref
from bot.model.forge import GitAccess

# "The requested URL returned error: 403" from git itself, "HTTP 403" from its remote helper.
_HTTP_FORBIDDEN: Final = re.compile(r"(?:returned error:|HTTP) 403\b")
# A forge says so of a repository that it does not want to show, as well.
_HTTP_NOT_FOUND: Final = re.compile(r"^fatal: repository '.*' not found", re.MULTILINE)
_REJECTED: Final = re.compile(
    r"^!\t[^\t]*\t\[(?P<who>rejected|remote rejected|remote failure)\] \((?P<why>.*)\)$",
    re.MULTILINE,
)

# The server found the ref elsewhere when it came to moving it.
_MOVED: Final = ("cannot lock ref", "failed to update ref", "reference already exists", "stale info", "fetch first")

# The server's own trouble: the same push may succeed later.
_PASSING: Final = ("internal server error", "unpacker error", "failed to lock", "timeout", "timed out")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefMove:
    """``ref`` goes from ``expected`` (None: it is not there) to ``new`` (None: it is deleted)."""

    ref: str
    new: str | None
    expected: str | None

    def arguments(self, url: str) -> tuple[str, ...]:
        """The arguments of git.

        Raises:
            GitError: the name or an id is malformed.
        """
        ref = check_ref(self.ref)
        new = "" if self.new is None else check_oid(self.new)
        expected = "" if self.expected is None else check_oid(self.expected)
        return (
            *("push", "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-follow-tags"),
            *(f"--force-with-lease={ref}:{expected}", "--end-of-options", url, f"{new}:{ref}"),
        )


def refusal(move: RefMove, done: Completed, access: GitAccess) -> GitError:
    """The error that a failed push amounts to."""
    words = done.words
    match = _REJECTED.search(done.output.decode("utf-8", "replace"))
    why = clean_words(match["why"].encode(), access) if match else ""
    if match and (match["who"] == "rejected" or any(sign in why for sign in _MOVED)):
        place = move.expected or "absent"
        return LeaseRejectedError(f"{move.ref} is not at the expected place ({place}): {why}")
    if match and match["who"] == "remote rejected" and not any(sign in why.lower() for sign in _PASSING):
        return PushRefusedError(f"the forge refuses to move {move.ref}: {why}\n{_remote_words(words)}".rstrip())
    if _HTTP_FORBIDDEN.search(words):
        return PushRefusedError(f"the forge refuses to move {move.ref}: HTTP 403\n{_remote_words(words)}".rstrip())
    if _HTTP_NOT_FOUND.search(words):
        return PushRefusedError(f"the forge refuses to move {move.ref}: HTTP 404\n{_remote_words(words)}".rstrip())
    return GitError(f"git push failed: {why or words}")


def _remote_words(words: str) -> str:
    """What the forge itself said."""
    return "\n".join(line for line in words.splitlines() if line.startswith("remote:"))
