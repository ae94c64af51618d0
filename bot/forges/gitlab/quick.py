"""Keep GitLab from obeying our own texts.

GitLab takes a line of a comment or description that begins with ``/merge``, ``/approve`` or another such word for a
command of its author, carries it out and cuts it out of the text. The texts are ours, but there are words of strangers
in them, and our user may merge. A backslash before the slash shows the same and is no command.
https://docs.gitlab.com/user/project/quick_actions/
"""

import re
from typing import Final

_WORD: Final = r"(?=/[A-Za-z_]+(?:\s|$))(?!/flowforge(?:\s|$))"
_COMMAND: Final = re.compile(rf"^([^\S\n]*)(\\*){_WORD}", re.MULTILINE)
_ESCAPED: Final = re.compile(rf"^([^\S\n]*)\\(\\*){_WORD}", re.MULTILINE)


def without_quick_actions(text: str) -> str:
    r"""The text with a backslash more before each word that GitLab might obey; in code, too, where it cannot be told.

    Our own commands stay as they are, for people to copy: GitLab does not know them.
    """
    return _COMMAND.sub(r"\1\2\\", _one_kind_of_line_end(text))


def as_written(text: str) -> str:
    """The text of which ``without_quick_actions`` made this one."""
    return _ESCAPED.sub(r"\1\2", _one_kind_of_line_end(text))


def _one_kind_of_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
