"""Debian's packages, each pinned by its checksum: fetched, read, and their files put into a tree.

Neither dpkg nor root is needed: nothing of a package is executed. What a package's scripts would do and a run needs,
``runners.image.base`` does.
"""

import concurrent.futures
import hashlib
import io
import json
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

from runners.image.errors import ImageError
from runners.image.tree import Entry, Tree

MIRROR: Final = "http://deb.debian.org"
"""https://deb.debian.org: the mirrors' common front. Plain HTTP will do: the checksums are ours."""
SNAPSHOT: Final = "https://snapshot.debian.org/archive"
"""Keeps what a mirror no longer has, by archive and time. https://snapshot.debian.org"""

_DROPPED: Final = (
    "usr/lib/x86_64-linux-gnu/gconv/",
    "usr/share/bug/",
    "usr/share/doc-base/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/python3/",
    "usr/lib/python3/dist-packages/",
    "usr/sbin/",
    "etc/ca-certificates/",
    "etc/update-motd.d/",
    "var/cache/",
)
_DOC: Final = "usr/share/doc/"
_PROGRAMS: Final = "usr/bin/"
_KEPT_PROGRAMS: Final = frozenset({"python3", "python3.11"})
_TIMEOUT_SECONDS: Final = 60.0
_AT_ONCE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of the lock: where it is below a mirror, and what its bytes are."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All packages of the image, of one architecture, as of ``snapshot``.

    Attributes:
        text: the lock file as it is.
        time: ``snapshot`` in seconds since 1970; everything in the image has this time.
    """

    text: bytes
    architecture: str
    snapshot: str
    time: int
    packages: tuple[Package, ...]


def read_lock(path: Path) -> Lock:
    """Read ``packages.json``."""
    text = path.read_bytes()
    raw = json.loads(text)
    return Lock(
        text=text,
        architecture=raw["architecture"],
        snapshot=raw["snapshot"],
        time=raw["time"],
        packages=tuple(Package(path=one["path"], sha256=one["sha256"]) for one in raw["packages"]),
    )


def fetch_packages(lock: Lock, cache: Path) -> list[bytes]:
    """The packages' bytes in the lock's order, from ``cache`` or a mirror (``FLOWFORGE_DEBIAN_MIRROR``).

    Raises:
        ImageError: one is nowhere to be had, or is not what was pinned.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda package: _fetch(package, lock, cache), lock.packages))


def _fetch(package: Package, lock: Lock, cache: Path) -> bytes:
    kept = cache / f"{package.sha256}.deb"
    if kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == package.sha256:
            return content
    archive, _, inside = package.path.partition("/")
    mirror = os.environ.get("FLOWFORGE_DEBIAN_MIRROR", MIRROR).rstrip("/")
    content = download(
        (f"{mirror}/{package.path}", f"{SNAPSHOT}/{archive}/{lock.snapshot}/{inside}"),
        sha256=package.sha256,
    )
    keep(kept, content)
    return content


def download(urls: Sequence[str], *, sha256: str) -> bytes:
    """What the first of some addresses has that has the right bytes. Raises ``ImageError``."""
    failures = []
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - ours or the operator's
                content: bytes = answer.read()
        except (OSError, urllib.error.URLError) as error:
            failures.append(f"{url}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
        failures.append(f"{url}: other bytes than were pinned")
    raise ImageError("nothing to be had from " + "; ".join(failures))


def keep(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as written:
        written.write(content)
    Path(written.name).chmod(0o644)
    Path(written.name).replace(path)


def unpack(package: bytes, tree: Tree) -> Mapping[str, str]:
    """Put a package's files into a tree, without manuals, translations and programs; its control fields.

    https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html

    Raises:
        ImageError: this is no such package.
    """
    parts = dict(_members(package))
    data = next((part for name, part in parts.items() if name.startswith("data.tar")), None)
    control = next((part for name, part in parts.items() if name.startswith("control.tar")), None)
    if data is None or control is None:
        raise ImageError("a package has no data or no control part")
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        for info in files:
            _take(files, info, tree)
    with tarfile.open(fileobj=io.BytesIO(control)) as files:
        text = files.extractfile("./control")
        if text is None:
            raise ImageError("a package has no control file")
        words = text.read()
    fields = dict(HeaderParser().parsestr(words.decode()).items())
    # Where scanners look in images without dpkg.
    tree.file(f"var/lib/dpkg/status.d/{fields['Package']}", words)
    return fields


def _members(package: bytes) -> Iterator[tuple[str, bytes]]:
    """The files in an ``ar`` archive."""
    if not package.startswith(b"!<arch>\n"):
        raise ImageError("a package is no ar archive")
    at = 8
    while at + 60 <= len(package):
        name = package[at : at + 16].decode("ascii").strip().rstrip("/")
        size = int(package[at + 48 : at + 58])
        at += 60
        yield name, package[at : at + size]
        at += size + size % 2


def _take(files: tarfile.TarFile, info: tarfile.TarInfo, tree: Tree) -> None:
    path = info.name.removeprefix(".").strip("/")
    if not path or _is_dropped(path):
        return
    if info.issym():
        tree.add(path, Entry(mode=0o777, target=info.linkname))
    elif info.isdir():
        if tree.get(path) is None:
            tree.add(path, Entry(mode=0o755))
    elif info.isfile() or info.islnk():
        content = files.extractfile(info)
        if content is None:
            raise ImageError(f"{path} of a package cannot be read")
        # 0o755 takes away what lets others write, and every bit that lends a file's owner.
        tree.file(path, content.read(), mode=info.mode & 0o755)


def _is_dropped(path: str) -> bool:
    inside = f"{path}/"
    if inside.startswith(_DOC):
        return not path.endswith("/copyright") and path.count("/") > _DOC.count("/")
    if inside.startswith(("usr/bin/", "bin/", "sbin/")) and inside not in {"usr/bin/", "bin/", "sbin/"}:
        return path.removeprefix(_PROGRAMS) not in _KEPT_PROGRAMS
    return inside.startswith(_DROPPED)
