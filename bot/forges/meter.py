"""What is counted of the traffic with a forge, by whoever shows it to operators."""

from typing import Protocol


class Meter(Protocol):
    """Takes the numbers; nothing in them names a repository or a person."""

    def answered(self, method: str, result: str) -> None:
        """One request came to an end: ``2xx``, ``304``, ``3xx``, ``4xx``, ``5xx``, ``limited``, or ``none`` at all."""
        ...

    def budget(self, resource: str, share: float) -> None:
        """Of all installations, the one that has least left of its hourly budget has this share of it, 0 to 1."""
        ...

    def paced(self, seconds: float) -> None:
        """A request waited so long for its turn."""
        ...


class NoMeter:
    """Counts nothing."""

    def answered(self, method: str, result: str) -> None:
        """See ``Meter``."""

    def budget(self, resource: str, share: float) -> None:
        """See ``Meter``."""

    def paced(self, seconds: float) -> None:
        """See ``Meter``."""


def result_of(status: int) -> str:
    """How an answer with that status is counted."""
    return "304" if status == 304 else f"{status // 100}xx"  # noqa: PLR2004 - Not Modified, which costs nothing
