"""Small images for the test cluster, made without a registry or a builder."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.cluster.assets import program

PAUSE: Final = "localhost/flowforge-test-pause:1"
BUSYBOX: Final = "localhost/flowforge-test-busybox:1"
"""Debian's static busybox, as user 1000; ``BUSYBOX_COMMANDS`` are on its PATH."""

BUSYBOX_COMMANDS: Final = ("sh", "cat", "dd", "echo", "id", "ls", "nc", "nslookup", "sleep", "tail", "true", "wget")


def write_pause(path: Path) -> Path:
    """Write the image of a pod's first process."""
    return _write_archive(path, PAUSE, {"pause": program("pause").read_bytes()}, {}, ["/pause"])


def write_busybox(path: Path) -> Path:
    """Write the image that tests of the cluster itself use."""
    links = {f"bin/{name}": "busybox" for name in BUSYBOX_COMMANDS}
    return _write_archive(path, BUSYBOX, {"bin/busybox": program("busybox").read_bytes()}, links, ["/bin/sh"])


def _write_archive(
    path: Path, name: str, files: Mapping[str, bytes], links: Mapping[str, str], entrypoint: Sequence[str]
) -> Path:
    """Write an image as ``docker save`` does, with one layer.

    https://github.com/moby/docker-image-spec/blob/main/spec.md
    """
    layer = _layer(files, links)
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "User": "1000:1000", "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer)
        _add(archive, "config.json", json.dumps(config).encode())
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    return path


def _layer(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as layer:
        for name, content in files.items():
            _add(layer, name, content, mode=0o755)
        for name, target in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            layer.addfile(link)
    return packed.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
