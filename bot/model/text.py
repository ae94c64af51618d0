"""How words of others stand in our own sentences."""

from typing import Final

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
