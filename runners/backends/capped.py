"""What a sandbox prints, kept in a file that cannot grow without end."""

import subprocess
import threading
from pathlib import Path
from typing import Final

_CHUNK: Final = 2**16
_LAST_SECONDS: Final = 5.0


class CappedLog:
    """Copies a client's output to a file as far as ``cap`` bytes go, and counts all of it."""

    def __init__(self, client: subprocess.Popen[bytes], path: Path, *, cap: int) -> None:
        """Begin to copy; the client's standard output must be a pipe."""
        self.size = 0
        """Bytes so far, those that were not kept included."""
        self._client = client
        self._path = path
        self._cap = cap
        self._thread = threading.Thread(target=self._copy, name=f"log of {path.parent.name}", daemon=True)
        self._thread.start()

    def whole(self) -> None:
        """Wait, a moment at most, until the file has all that an ended client wrote."""
        self._thread.join(_LAST_SECONDS)

    def _copy(self) -> None:
        pipe = self._client.stdout
        if pipe is None:
            return
        # Read on when the file is full: a client that cannot write ends neither well nor soon.
        with pipe, self._path.open("wb", buffering=0) as kept:
            while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]  # Popen's pipes are buffered readers
                kept.write(chunk[: max(0, self._cap - self.size)])
                self.size += len(chunk)
