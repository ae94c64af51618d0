"""Names of refs and ids of objects, checked before git sees them."""

import re
from typing import Final

from bot.errors import GitError

_MAX_REF: Final = 1_000
_OID: Final = re.compile(r"[0-9a-f]{40}")

# https://git-scm.com/docs/git-check-ref-format#_description: no component begins with a dot or ends with ".lock"; no
# "..", no "@{", no control character, space, ~ ^ : ? * [ or backslash; no empty component; no dot at the end.
_REF: Final = re.compile(
    r"""
    refs
    (?: / (?!\.) (?: (?!\.\.|@\{) [^\x00-\x20\x7f~^:?*\[\\/] )+ (?<!\.lock) )+
    (?<!\.)
    """,
    re.VERBOSE,
)

OWN: Final = "refs/flowforge/"
"""The mirror's own refs: never fetched, never pushed."""


def check_ref(ref: str) -> str:
    """A full ref name, as it is.

    Raises:
        GitError: ``git check-ref-format`` would refuse it, it is not under ``refs/``, or it is one of the mirror's own.
    """
    if len(ref) > _MAX_REF or not _REF.fullmatch(ref):
        raise GitError(f"{ref[:100]!a} is not a full ref name")
    try:
        ref.encode()
    except UnicodeEncodeError:
        raise GitError(f"{ref[:100]!a} is not UTF-8") from None
    if ref.startswith(OWN):
        raise GitError(f"{ref} belongs to the mirror itself")
    return ref


def check_oid(oid: str) -> str:
    """The full id of an object, as it is.

    Raises:
        GitError: it is not 40 lower-case hexadecimal digits.
    """
    if not _OID.fullmatch(oid):
        raise GitError(f"{oid[:100]!a} is not an object id")
    return oid
