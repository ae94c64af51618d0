"""One time for all processes of a trial: the machine's, set ahead as far as a file says."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_OFFSET = struct.Struct("<d")


class SharedClock:
    """The ``Clock`` port. Leases of a dead process run out when the harness says so, not minutes later."""

    def __init__(self, path: Path) -> None:
        """Share the time of everybody who opened ``path``; the file is made if it is not there."""
        with path.open("a+b") as file:
            if file.tell() < _OFFSET.size:
                file.write(_OFFSET.pack(0.0))
                file.flush()
            self._memory = mmap.mmap(file.fileno(), _OFFSET.size)

    def now(self) -> datetime:
        """The present moment of the trial, aware, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    @property
    def ahead(self) -> float:
        """Seconds by which it is later than the machine says."""
        offset: float = _OFFSET.unpack_from(self._memory)[0]
        return offset

    def advance(self, seconds: float) -> None:
        """Let time pass at once, for everybody."""
        _OFFSET.pack_into(self._memory, 0, self.ahead + seconds)
