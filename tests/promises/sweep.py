"""Look for secrets in all kinds of evidence: as they are, in the usual disguises, in pieces, and inside of archives.

What is found is found by ``grep`` over files, so that hundreds of megabytes take a second.
"""

import base64
import codecs
import re
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

PIECE: Final = 10
"""A secret counts as found as soon as so many of its characters stand together."""

_DEPTH: Final = 3
_MAX_UNPACKED: Final = 2**24
_RUN: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX_RUN: Final = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,}")
_COMPRESSED: Final = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_GREP_WORKED: Final = frozenset({0, 1, 2})


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A secret that was found: where, which, and in what disguise."""

    where: str
    secret: str
    disguise: str


def disguises(secret: str) -> dict[str, str]:
    """The whole of a secret in every disguise that is looked for with one pattern each."""
    raw = secret.encode()
    found = {
        "raw": secret,
        "reversed": secret[::-1],
        "rot13": codecs.encode(secret, "rot13"),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "percent": "".join(f"%{byte:02X}" for byte in raw),
        "percent, lower": "".join(f"%{byte:02x}" for byte in raw),
        "decimal": ", ".join(map(str, raw)),
    }
    # What stands before a secret moves its bits about; letters that hold bits of other bytes are left out.
    for shift in range(5):
        shifted = base64.b32encode(b"\0" * shift + raw).decode().rstrip("=")
        found[f"base32 by {shift}"] = shifted[(0, 2, 4, 5, 7)[shift] : -2]
    for shift in range(3):
        shifted = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")[(0, 2, 3)[shift] : -2]
        found[f"base64 by {shift}"] = shifted
        found[f"base64url by {shift}"] = shifted.translate(str.maketrans("+/", "-_"))
    return found


def _needles(secret: str) -> Iterator[tuple[bytes, str]]:
    """Every piece of a secret in each disguise, and the disguise's name."""
    for name, whole in disguises(secret).items():
        width = round(PIECE * len(whole) / len(secret))
        for start in range(max(1, len(whole) - width + 1)):
            yield whole[start : start + width].encode(), name
    plain = re.sub(r"[^A-Za-z0-9]", "", secret)
    for start in range(max(1, len(plain) - PIECE + 1)):
        yield plain[start : start + PIECE].encode(), "letters and digits"


def _unwrapped(content: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """What is in some bytes besides the bytes themselves: decoded, unpacked, with all between the letters taken out."""
    if b"\0" in content:
        yield "without NUL", content.replace(b"\0", b"")
    if b"%" in content:
        yield "unquoted", unquote_to_bytes(content)
    if depth == 0:
        yield "letters and digits", re.sub(rb"[^A-Za-z0-9]+", b"", content)
    if depth == _DEPTH:
        return
    for name, inner in (*_unpacked(content), *_decoded(content)):
        yield name, inner
        for deeper, most_inner in _unwrapped(inner, depth + 1):
            yield f"{name}, {deeper}", most_inner


def _unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    for start in _COMPRESSED.finditer(content):
        unpacker = zlib.decompressobj(wbits=47)  # zlib or gzip, as its head says
        try:
            inner = unpacker.decompress(content[start.start() :], _MAX_UNPACKED)
        except zlib.error:
            continue
        if inner:
            yield "unpacked", inner


def _decoded(content: bytes) -> Iterator[tuple[str, bytes]]:
    for run in _RUN.finditer(content):
        letters = run[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        yield "from base64", base64.b64decode(letters[: len(letters) // 4 * 4])
        if len(letters) % 4 > 1:
            yield "from base64", base64.b64decode(letters[-(len(letters) % 4) :] + b"=" * (4 - len(letters) % 4))
    for run in _HEX_RUN.finditer(content):
        yield "from hex", bytes.fromhex(run[0].decode())


class Sweep:
    """Evidence, each piece under a name, and the search for secrets in it."""

    def __init__(self, directory: Path) -> None:
        """Keep the evidence below an existing ``directory``."""
        self._evidence = directory / "evidence"
        self._evidence.mkdir()
        self._patterns = directory / "patterns"
        self.names: list[str] = []
        """What evidence there is, in the order in which it came."""

    def add(self, where: str, content: bytes | str) -> None:
        """Take a piece of evidence."""
        raw = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        number = len(self.names)
        self.names.append(where)
        (self._evidence / f"{number}").write_bytes(raw)
        inner = b"\n".join(b"%s: %s" % (name.encode(), what) for name, what in _unwrapped(raw))
        if inner:
            (self._evidence / f"{number}.inner").write_bytes(inner)

    def hits(self, secrets: Mapping[str, str]) -> set[Hit]:
        """All of ``secrets``, which have names, that is found in the evidence."""
        found = set()
        for path, secret, disguise in self._grep([self._evidence], secrets):
            number, _, inner = Path(path).name.partition(".")
            found.add(Hit(self.names[int(number)], secret, f"{disguise}, {inner}" if inner else disguise))
        return found

    def hits_below(self, places: Sequence[Path], secrets: Mapping[str, str]) -> set[Hit]:
        """All that is found in the files below some places, as they are: nothing in them is unpacked."""
        return {Hit(path, secret, disguise) for path, secret, disguise in self._grep(places, secrets)}

    def _grep(self, places: Sequence[Path], secrets: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Each file in which something is found, the secret, and its disguise."""
        known: dict[bytes, tuple[str, str]] = {}
        for name, secret in secrets.items():
            assert len(secret) >= 2 * PIECE, f"{name} is too short to be told from chance"
            for needle, disguise in _needles(secret):
                known.setdefault(needle, (name, disguise))
        self._patterns.write_bytes(b"\n".join(known) + b"\n")
        words = ["/usr/bin/grep", "-r", "-a", "-o", "-F", "-H", "-Z", "-D", "skip", "-f", str(self._patterns)]
        done = subprocess.run(
            [*words, *map(str, places)], env={"LC_ALL": "C"}, capture_output=True, timeout=100, check=False
        )
        # A file that went away meanwhile is no reason to find nothing, but grep itself must have worked.
        assert done.returncode in _GREP_WORKED, done.stderr.decode()
        for line in done.stdout.split(b"\n")[:-1]:
            path, _, needle = line.partition(b"\0")
            yield (path.decode(errors="surrogateescape"), *known[needle])
