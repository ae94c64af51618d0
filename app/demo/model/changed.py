"""Apply a change to the message in a reply, however it is delivered."""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from app.demo.model.replies import Failure, Held, Message, Raw, Reply, Slow, Truncated


def with_message(reply: Reply, change: Callable[[Message], Message]) -> Reply:
    """The same reply with its message changed; errors and raw bytes stay as they are."""
    match reply:
        case Message():
            return change(reply)
        case Truncated() | Held() | Slow():
            return replace(reply, message=change(reply.message))
        case Failure() | Raw():
            return reply
        case _:
            assert_never(reply)
