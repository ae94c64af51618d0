"""The part of the image that is Debian's: Python's standard library with all below it, and the user."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from runners.image.debian import unpack
from runners.image.errors import ImageError
from runners.image.tree import Entry, Tree, write_directory

USER_ID: Final = 1000
_MACHINES: Final[Mapping[str, str]] = {"amd64": "x86_64"}
_LOADER: Final = "lib64/ld-linux-x86-64.so.2"
_LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"
_PYTHON: Final = "usr/bin/python3.11"
_STANDARD_LIBRARY: Final = "usr/lib/python3.11"
_USERS: Final = """\
root:x:0:0:root:/:/usr/sbin/nologin
agent:x:1000:1000:agent:/task:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
"""
_GROUPS: Final = "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"
_NSSWITCH: Final = "passwd: files\ngroup: files\nhosts: files dns\n"


def check_machine(architecture: str) -> None:
    """Raise ``ImageError`` where the image's own Python cannot run."""
    if sys.platform != "linux" or platform.machine() != _MACHINES.get(architecture):
        raise ImageError(
            f"this builds an image for Linux on {architecture}, on such a machine only; elsewhere build"
            " runners/image/Containerfile with podman, docker or buildah"
        )


def base_tree(packages: Sequence[bytes]) -> tuple[Tree, list[Mapping[str, str]]]:
    """The tree of all packages and the user, Python's library compiled; and each package's control fields.

    Raises:
        ImageError: a package is none, or its Python does not run here.
    """
    tree = Tree()
    fields = [unpack(package, tree) for package in packages]
    for name in ("bin", "sbin", "lib", "lib64"):
        tree.add(f"usr/{name}", Entry(mode=0o755))
        tree.add(name, Entry(mode=0o777, target=f"usr/{name}"))
    tree.file("etc/passwd", _USERS.encode())
    tree.file("etc/group", _GROUPS.encode())
    tree.file("etc/nsswitch.conf", _NSSWITCH.encode())
    _trust(tree)
    for path, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        tree.add(path, Entry(mode=mode))
    # runc gives what is mounted over a directory that directory's mode, and root for its owner.
    tree.add("task", Entry(mode=0o1777, owner=USER_ID))
    tree.add("run/flowforge", Entry(mode=0o755))
    _compile(tree)
    return tree, fields


def _trust(tree: Tree) -> None:
    """The authorities that Debian trusts, where Python and OpenSSL look for them."""
    certificates = [entry.content for path, entry in tree if path.startswith("usr/share/ca-certificates/")]
    bundle = b"".join(content for content in certificates if content is not None)
    tree.file("etc/ssl/certs/ca-certificates.crt", bundle)
    tree.add("usr/lib/ssl/certs", Entry(mode=0o777, target="/etc/ssl/certs"))
    tree.add("usr/lib/ssl/cert.pem", Entry(mode=0o777, target="/etc/ssl/certs/ca-certificates.crt"))


def _compile(tree: Tree) -> None:
    """Add the standard library's compiled form: on a read-only root every run would have to make it anew.

    The image's own Python does it, started by its own loader, so that neither root nor a container is needed. The
    compiled files are valid without a look at their sources, whose times no layer keeps.

    https://docs.python.org/3.11/library/compileall.html#cmdoption-compileall-invalidation-mode
    """
    with tempfile.TemporaryDirectory(prefix="flowforge-image-") as name:
        root = Path(name)
        write_directory(tree, root, owners=False)
        library = root / _STANDARD_LIBRARY
        done = subprocess.run(
            [
                *(str(root / _LOADER), "--library-path", str(root / _LIBRARIES), str(root / _PYTHON), "-S", "-s", "-P"),
                *("-m", "compileall", "-q", "-s", name, "-p", "/", "--invalidation-mode", "unchecked-hash"),
                str(library),
            ],
            # What is imported on the way must not leave a compiled form of the other kind, which would be kept.
            env={
                "PYTHONHOME": str(root / "usr"),
                "PYTHONHASHSEED": "0",
                "PYTHONDONTWRITEBYTECODE": "1",
                "LANG": "C.UTF-8",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout)[-500:]
            raise ImageError(f"the image's Python does not compile its library: {said}")
        for compiled in sorted(library.rglob("*.pyc")):
            tree.file(os.fspath(compiled.relative_to(root)), compiled.read_bytes())


def fields_to_json(fields: Sequence[Mapping[str, str]]) -> str:
    """The packages' control fields, to be kept beside a layer."""
    return json.dumps([dict(one) for one in fields], sort_keys=True)
