"""``python -m runners.image.pin``: pin the packages anew, as a Debian 12 machine's apt knows them today.

apt checks the archive's signatures; run ``apt-get update`` before, with the security archive among the sources.
"""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

LOCK: Final = Path(__file__).parent / "packages.json"

NAMES: Final = (
    "base-files",
    "ca-certificates",
    "gcc-12-base",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libdb5.3",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libncursesw6",
    "libpython3-stdlib",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "libtinfo6",
    "libuuid1",
    "media-types",
    "netbase",
    "python3-minimal",
    "python3.11-minimal",
    "readline-common",
    "tzdata",
    "zlib1g",
)
"""What Python's standard library and Claude Code need. Not here, on purpose: a shell, a package manager, git, Perl.

Of the standard library only ``nis`` misses its libraries (Kerberos, sun RPC).
"""

_LINE: Final = re.compile(r"'https?://[^/']+/(?P<path>[^']+)' \S+ \d+ SHA256:(?P<sha256>[0-9a-f]{64})")


def main() -> int:
    """Write ``packages.json``."""
    words = ["apt-get", "download", "--print-uris", *NAMES]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    packages = [
        {"path": unquote(found["path"]), "sha256": found["sha256"]}
        for found in (_LINE.fullmatch(line) for line in said.splitlines())
        if found is not None
    ]
    if len(packages) != len(NAMES):
        sys.stderr.write(f"apt knows {len(packages)} of {len(NAMES)} packages\n")
        return 1
    now = datetime.now(UTC).replace(microsecond=0)
    lock = {
        "architecture": "amd64",
        "snapshot": now.strftime("%Y%m%dT%H%M%SZ"),
        "time": int(now.timestamp()),
        "packages": sorted(packages, key=lambda one: one["path"]),
    }
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
