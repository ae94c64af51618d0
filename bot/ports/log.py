"""The log, as what is done by itself and not for somebody sees it: what it did, and what it could not do."""

from typing import Protocol


class Log(Protocol):
    """Lines for operators: an event in a few words, and fields that are never put into the words."""

    def info(self, event: str, /, **fields: object) -> object:
        """Something happened that is as it should be."""
        ...

    def warning(self, event: str, /, **fields: object) -> object:
        """Something happened that somebody may have to look at."""
        ...
