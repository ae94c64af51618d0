"""Images as files that ``podman load``, ``docker load`` and ``ctr images import`` take.

https://github.com/moby/docker-image-spec/blob/main/spec.md
"""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from runners.image.recipe import Recipe

END: Final = tarfile.NUL * 2 * tarfile.BLOCKSIZE
"""What a tar ends with."""

_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An uncompressed layer in a file, and its digest."""

    path: Path
    sha256: str


def keep_layer(path: Path, content: bytes) -> Layer:
    """Write a layer to a file and, when it is all there, its digest beside it."""
    path.write_bytes(content)
    return seal_layer(path)


def seal_layer(path: Path) -> Layer:
    """Take note of the digest of a layer whose file is written."""
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    path.with_suffix(".sha256").write_text(sha256)
    return Layer(path=path, sha256=sha256)


def kept_layer(path: Path) -> Layer | None:
    """A layer that was written earlier, None when it was not, or not to its end."""
    digest = path.with_suffix(".sha256")
    return Layer(path=path, sha256=digest.read_text()) if digest.is_file() and path.is_file() else None


def image_config(recipe: Recipe, layers: Sequence[Layer], *, architecture: str, created: str) -> bytes:
    """The image's configuration.

    https://github.com/opencontainers/image-spec/blob/main/config.md
    """
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": recipe.user,
            "WorkingDir": recipe.directory,
            "Entrypoint": list(recipe.entrypoint),
            "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
            "Labels": dict(recipe.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
        "history": [{"created": created, "created_by": "runners.image.build"} for _ in layers],
    }
    return json.dumps(config, sort_keys=True).encode()


def write_archive(path: Path, *, names: Sequence[str], config: bytes, layers: Sequence[Layer], time: int) -> None:
    """Write an image with its names; the same bytes for the same image."""
    manifest = [
        {
            "Config": f"{hashlib.sha256(config).hexdigest()}.json",
            "RepoTags": list(names),
            "Layers": [f"{layer.sha256}.tar" for layer in layers],
        },
    ]
    with path.open("wb") as written:
        append(written, _named("manifest.json", time), io.BytesIO(json.dumps(manifest).encode()))
        append(written, _named(f"{hashlib.sha256(config).hexdigest()}.json", time), io.BytesIO(config))
        for layer in layers:
            with layer.path.open("rb") as content:
                append(written, _named(f"{layer.sha256}.tar", time), content)
        written.write(END)


def append(written: IO[bytes], info: tarfile.TarInfo, content: IO[bytes]) -> None:
    """Append a file to a tar by hand: tarfile would copy the 380 MB of Claude Code in pieces of 16 KiB."""
    info.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    written.write(info.tobuf(tarfile.USTAR_FORMAT))
    shutil.copyfileobj(content, written, _CHUNK)
    written.write(tarfile.NUL * (-info.size % tarfile.BLOCKSIZE))


def _named(name: str, time: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = 0o644, time
    return info
