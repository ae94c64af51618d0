"""Claude Code's event stream, line by line: one JSON object a line, unknown kinds among them.

Format: https://code.claude.com/docs/en/headless ; twenty kinds were seen, and they differ between versions.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

Event = Mapping[str, Any]


def parse_event(line: bytes) -> Event | None:
    """The event in a line; None for anything else: words of the guest, half lines, numbers JSON does not have."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        event = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def parse_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events among the lines."""
    return (event for line in lines if (event := parse_event(line)) is not None)


def mapping(value: Any) -> Event:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """``value`` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
