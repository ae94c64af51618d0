"""Answers that are kept to be asked for again: GitHub says "not modified", and that costs nothing of the budget.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate

GitHub is asked every time, with the credential of whoever wants to know: what is kept is shown only after GitHub has
said that this very asker would be told the same.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""What a process keeps in all."""

LARGEST: Final = 1024 * 1024
"""One answer may have so many bytes; few have, and they would take the place of many others."""

_OVERHEAD: Final = 512
"""Bytes that an entry costs beside its texts, roughly."""

_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{1,200}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKey:
    """Which answer: never one installation's for another, nor one of other permissions."""

    installation_id: int | None
    act: str
    method: str
    url: str
    accept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer as it came: bytes, decoded anew for each who asks."""

    etag: str
    headers: Mapping[str, str]
    body: bytes


class KeptAnswers:
    """The answers used last, as many as fit."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep answers of ``most_bytes`` in all."""
        self._most_bytes = most_bytes
        self._kept: OrderedDict[AnswerKey, KeptAnswer] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def find(self, key: AnswerKey) -> KeptAnswer | None:
        """The answer that was kept, None where none is."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: AnswerKey, *, etag: str | None, headers: Mapping[str, str], body: bytes) -> None:
        """Keep an answer in the place of an older one. Without an ETag, or if it is too large, none is kept."""
        self.drop(key)
        if etag is None or not _ETAG.fullmatch(etag) or len(body) > LARGEST:
            return
        kept = KeptAnswer(etag=etag, headers=dict(headers), body=body)
        self._kept[key] = kept
        self._size += _size(key, kept)
        while self._size > self._most_bytes:
            self._size -= _size(*self._kept.popitem(last=False))

    def drop(self, key: AnswerKey) -> None:
        """Forget an answer."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= _size(key, kept)


def _size(key: AnswerKey, kept: KeptAnswer) -> int:
    headers = sum(len(name) + len(value) for name, value in kept.headers.items())
    return len(key.url) + len(key.accept) + len(kept.etag) + headers + len(kept.body) + _OVERHEAD
