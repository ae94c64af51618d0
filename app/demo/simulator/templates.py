"""Templates of paths, as both forges' endpoints have them."""

import re
from typing import Final

_PLACEHOLDERS: Final = {"int": "[0-9]+", "rest": ".+", "": "[^/]+"}


def pattern_of(template: str) -> re.Pattern[str]:
    """What a template matches. ``{name}``, ``{name:int}`` and ``{name:rest}`` stand for parts of a path."""
    parts = re.split(r"\{(\w+)(?::(\w+))?\}", template)
    text = re.escape(parts[0])
    for name, kind, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        text += f"(?P<{name}>{_PLACEHOLDERS[kind or '']}){re.escape(literal)}"
    return re.compile(text)
