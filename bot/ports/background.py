"""For whom the forge is asked: for a person who waits, or in the background.

An installation's API budget is one for all that is done in it. What goes on by itself (sweeps, the reconcile, the
conflict watch) leaves a part of it to what people ask for::

    with background(leave=RECONCILE_LEAVES):
        await forge.open_pull_requests(repository)

It is a context and no parameter of the port's methods: the same handlers serve people and sweeps, and only whoever
starts the work knows for whom it is. The context goes along with every ``await`` and into every task begun inside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

KEPT_FOR_PEOPLE: Final = 0.2
"""The share of an installation's budget that only people's wishes may use up."""

RECONCILE_LEAVES: Final = 0.3
"""The reconcile stops earlier: what it would find can wait an hour."""

_leave: ContextVar[float] = ContextVar("background_leave", default=0.0)


@contextmanager
def background(*, leave: float = KEPT_FOR_PEOPLE) -> Iterator[None]:
    """What is asked of a forge inside is nobody's wish, and ends where only ``leave`` of the budget is left.

    Where one is inside of another, the larger share is left.

    Args:
        leave: a share of the whole budget, from 0 to 1.
    """
    token = _leave.set(max(_leave.get(), leave))
    try:
        yield
    finally:
        _leave.reset(token)


def share_to_leave() -> float:
    """The share of the budget that whoever asks now has to leave; 0 for what people asked for."""
    return _leave.get()
