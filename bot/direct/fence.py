"""Texts of others, fenced: nothing in them can end the fence.

The fence's word is a hash over all the texts: who writes one of them would have to know all others to guess it, and to
put the hash of a text into that text. Should a text hold the word nevertheless, another word is taken.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LENGTH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Our own words: a line outside of every fence."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A text of others, and what it is, in our words."""

    label: str
    text: str


Part = Heading | Data


def fence_word(parts: Sequence[Part]) -> str:
    """The word for these texts: the same for the same texts, and in none of them."""
    texts = [part.text for part in parts]
    encoded = json.dumps([texts, [part.label for part in parts if isinstance(part, Data)]]).encode()
    attempt = 0
    while True:
        word = hashlib.sha256(f"{attempt}:".encode() + encoded).hexdigest()[:_LENGTH]
        if not any(word in text for text in texts):
            return word
        attempt += 1


def fenced(parts: Sequence[Part]) -> str:
    """All parts as one text, the fence's word in its first line."""
    word = fence_word(parts)
    lines = [f"Fence: {word}\n"]
    for part in parts:
        if isinstance(part, Heading):
            lines.append(f"\n{part.text}\n")
        else:
            end = "" if not part.text or part.text.endswith("\n") else "\n"
            lines.append(f"[{word} begin {part.label}]\n{part.text}{end}[{word} end]\n")
    return "".join(lines)
