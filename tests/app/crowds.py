"""A crowd of connections that say nothing: some are hung up on, the others wait."""

import asyncio


async def hung_up_on(expected: int, ends: list[asyncio.Task[bytes]]) -> tuple[set[asyncio.Task[bytes]], ...]:
    """The ends that were reached and those that were not, once ``expected`` of them were or a minute went by."""
    gone: set[asyncio.Task[bytes]] = set()
    waiting = set(ends)
    try:
        async with asyncio.timeout(60):
            while len(gone) < expected:
                more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                gone |= more
    except TimeoutError:
        return gone, waiting
    # Whoever hung up on too many is still at it: they are given their moment.
    more, waiting = await asyncio.wait(waiting, timeout=0.2)
    return gone | more, waiting
