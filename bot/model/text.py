"""How words of others stand in our own sentences."""

import re
from typing import Final

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_BACKTICK: Final = "`"
_HIDDEN: Final = "\N{REPLACEMENT CHARACTER}"


def code_span(text: str, *, limit: int = 60) -> str:
    """``text`` as an inline code span in which nothing can format, mention, link or run.

    Backticks become apostrophes; what cannot be seen (control, format and unassigned characters, line ends) becomes
    U+FFFD; what is longer than ``limit`` characters is cut with an ellipsis.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    shown = "".join("'" if c == _BACKTICK else c if c.isprintable() else _HIDDEN for c in cut).strip()
    return f"`{shown}`" if shown else "(nothing)"


def cut_text(text: str, room: int) -> str:
    """At most ``room`` characters of a text and a word on the rest; what no encoding takes becomes U+FFFD."""
    kept = _UNSTORABLE.sub(_HIDDEN, text[:room])
    return kept if len(text) <= room else f"{kept}\n[{len(text) - room} more characters were left out]"
