"""Keep the guest's own memory and environment from the programs it runs."""

import ctypes
import os
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html"""


def hide() -> None:
    """From now on no process of our user may look into this one: not at its memory, environment or open files.

    The run's token is in the guest's environment, and the repository's commands run as the same user. What is started
    from here is not hidden: executing a program takes that back. Linux only.

    Raises:
        OSError: the kernel does not do it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
