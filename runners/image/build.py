"""``python -m runners.image.build``: the guest image, by an engine from its Containerfile or from here without one.

``offline`` needs Debian's mirror (or the cache) and Claude Code, which is taken from claude-agent-sdk where that is
installed and from npm's registry else; it needs neither root nor an engine, but Linux on the image's architecture.
``containerfile`` has podman, docker or buildah build the Containerfile. Both print what they made as JSON. ``base`` and
``guest`` are the Containerfile's own steps.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import runners
from runners.image.archive import END, Layer, append, image_config, keep_layer, kept_layer, seal_layer, write_archive
from runners.image.base import base_tree, check_machine
from runners.image.debian import Lock, download, fetch_packages, keep, read_lock
from runners.image.errors import ImageError
from runners.image.pin import LOCK
from runners.image.recipe import CONTAINERFILE, Recipe, read_recipe
from runners.image.sbom import SBOM_PATH, write_sbom
from runners.image.tree import Tree, layer_of, member, sums_of, write_directory

NAME: Final = "localhost/flowforge-run"
GUEST_ROOT: Final = "opt/flowforge"
CLAUDE: Final = "usr/local/bin/claude"

_SOURCES: Final = Path(runners.__path__[0])
_BASE_CODE: Final = ("base.py", "debian.py", "tree.py")
_KEPT_IMAGES: Final = 4
_KEPT_SECONDS: Final = 86_400.0
_STDERR: Final = 2
_NPM: Final = "https://registry.npmjs.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """A guest image in a file.

    Attributes:
        reference: its name in an engine that has loaded it.
        archive: the file; ``podman load``, ``docker load`` and ``ctr images import`` take it.
        key: a hash of all that the image is made of.
        digest: the image's id, ``sha256:...`` of its configuration.
        sbom: the list of what is in it, which is in the image too.
    """

    reference: str
    archive: Path
    key: str
    digest: str
    sbom: Path


def cache_directory() -> Path:
    """Where built images and what they were built from are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "flowforge" / "image"


def guest_files() -> Mapping[str, bytes]:
    """The guest's files by their path in the image: exactly those of the source tree."""
    paths = [_SOURCES / "__init__.py", _SOURCES / "protocol.py", *(_SOURCES / "guest").rglob("*.py")]
    return {
        f"{GUEST_ROOT}/runners/{path.relative_to(_SOURCES).as_posix()}": path.read_bytes() for path in sorted(paths)
    }


def image_key(guest: Mapping[str, bytes]) -> str:
    """The hash of all that an image with these files of the guest is made of."""
    parts = [path.read_bytes() for path in sorted(CONTAINERFILE.parent.iterdir()) if path.is_file()]
    return _key(*parts, *(part for path, content in guest.items() for part in (path.encode(), content)))


def build_offline() -> BuiltImage:
    """Build the image without an engine, or find it built. Callers may be many: one builds, the others wait.

    Raises:
        ImageError: this machine cannot build it, or a part is nowhere to be had.
    """
    lock, recipe, cache = read_lock(LOCK), read_recipe(CONTAINERFILE.read_text()), cache_directory()
    check_machine(lock.architecture)
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        guest = guest_files()
        place = cache / image_key(guest)
        if not (place / "image.json").is_file():
            _build(place, lock, recipe, guest)
        os.utime(place)
        _prune(cache)
        return _built(place)


def _build(place: Path, lock: Lock, recipe: Recipe, files: Mapping[str, bytes]) -> None:
    layers_at = place.parent / "layers"
    layers_at.mkdir(exist_ok=True)
    base, fields = _base_layer(lock, place.parent, layers_at)
    claude = _claude_layer(recipe, lock, layers_at)
    place.mkdir(exist_ok=True)
    tree, sbom = guest_tree(files, recipe, lock, fields)
    guest = keep_layer(place / "guest.tar", layer_of(tree, time=lock.time))
    created = datetime.fromtimestamp(lock.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    layers = [base, claude, guest]
    config = image_config(recipe, layers, architecture=lock.architecture, created=created)
    names = (f"{NAME}:{place.name}", versioned(recipe))
    (place / "sbom.json").write_bytes(sbom)
    write_archive(place / "image.tar", names=names, config=config, layers=layers, time=lock.time)
    # Last: what has no such file is not all there.
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    keep(place / "image.json", json.dumps({"reference": names[0], "digest": digest}).encode())


def _built(place: Path) -> BuiltImage:
    said = json.loads((place / "image.json").read_text())
    return BuiltImage(
        reference=said["reference"],
        archive=place / "image.tar",
        key=place.name,
        digest=said["digest"],
        sbom=place / "sbom.json",
    )


def _base_layer(lock: Lock, cache: Path, layers_at: Path) -> tuple[Layer, list[Mapping[str, str]]]:
    key = _key(lock.text, *((CONTAINERFILE.parent / name).read_bytes() for name in _BASE_CODE))
    path, fields_at = layers_at / f"base-{key}.tar", layers_at / f"base-{key}.json"
    layer = kept_layer(path)
    if layer is None:
        tree, fields = base_tree(fetch_packages(lock, cache / "packages"))
        fields_at.write_text(json.dumps([dict(one) for one in fields]))
        layer = keep_layer(path, layer_of(tree, time=lock.time))
    return layer, json.loads(fields_at.read_text())


def _claude_layer(recipe: Recipe, lock: Lock, layers_at: Path) -> Layer:
    path = layers_at / f"claude-{recipe.claude_sha256[:16]}-{lock.time}.tar"
    layer = kept_layer(path)
    if layer is not None:
        return layer
    tree = Tree()
    tree.file(CLAUDE, b"", mode=0o755)
    with _claude(recipe) as program, path.open("wb") as written:
        for inside, entry in tree:
            append(written, member(inside, entry, time=lock.time), io.BytesIO() if inside != CLAUDE else program)
        written.write(END)
    return seal_layer(path)


def _claude(recipe: Recipe) -> IO[bytes]:
    """Claude Code's program, with the pinned checksum."""
    sdk = importlib.util.find_spec("claude_agent_sdk")
    bundled = Path(sdk.origin).parent / "_bundled" / "claude" if sdk is not None and sdk.origin is not None else None
    if bundled is not None and bundled.is_file():
        with bundled.open("rb") as program:
            if hashlib.file_digest(program, "sha256").hexdigest() == recipe.claude_sha256:
                return bundled.open("rb")
    registry = os.environ.get("NPM_REGISTRY", _NPM).rstrip("/")
    name = f"claude-code-linux-x64-{recipe.claude_version}.tgz"
    url = f"{registry}/@anthropic-ai/claude-code-linux-x64/-/{name}"
    package = download([url], sha256=recipe.arguments["CLAUDE_CODE_PACKAGE_SHA256"])
    with tarfile.open(fileobj=io.BytesIO(package)) as files:
        program_file = files.extractfile("package/claude")
        content = b"" if program_file is None else program_file.read()
    if hashlib.sha256(content).hexdigest() != recipe.claude_sha256:
        raise ImageError("the program in Claude Code's package is not the pinned one")
    return io.BytesIO(content)


def guest_tree(
    files: Mapping[str, bytes], recipe: Recipe, lock: Lock, fields: list[Mapping[str, str]]
) -> tuple[Tree, bytes]:
    """The guest's files and the list of what is in the image; and the list."""
    tree = Tree()
    for path, content in files.items():
        tree.file(path, content)
    sbom = write_sbom(recipe, fields, [package.sha256 for package in lock.packages], sums_of(tree))
    tree.file(SBOM_PATH, sbom)
    return tree, sbom


def build_with_engine(engine: str) -> dict[str, str]:
    """Have an engine build the Containerfile. Raises ``ImageError``."""
    key = image_key(guest_files())
    names = (f"{NAME}:{key}", versioned(read_recipe(CONTAINERFILE.read_text())))
    tags = [word for name in names for word in ("--tag", name)]
    if not _call(engine, "build", "--file", str(CONTAINERFILE), *tags, str(_SOURCES.parent)):
        raise ImageError(f"{engine} could not build the image; without a registry, make image-offline does")
    return {"reference": names[0], "key": key}


def load_into(engine: str, image: BuiltImage) -> None:
    """Have an engine load a built image. Raises ``ImageError``."""
    if not _call(engine, "load", "--input", str(image.archive)):
        raise ImageError(f"{engine} could not load {image.archive}")


def versioned(recipe: Recipe) -> str:
    """The image's other name, which is the same for every build of one version."""
    return f"{NAME}:{recipe.labels['org.opencontainers.image.version']}"


def _call(engine: str, *words: str) -> bool:
    try:
        # Our own standard output is for what was made.
        return subprocess.run([engine, *words], stdout=_STDERR, check=False).returncode == 0
    except OSError as error:
        raise ImageError(f"{engine} cannot be started: {error.strerror}") from None


def _engine() -> str:
    found = next((name for name in ("podman", "docker", "buildah") if shutil.which(name)), None)
    if found is None:
        raise ImageError("there is neither podman nor docker nor buildah here; make image-offline needs none")
    return found


def _step(step: str, out: Path) -> None:
    """A step of the Containerfile: write the base's or the guest's files below ``out``, as root's."""
    lock, recipe = read_lock(LOCK), read_recipe(CONTAINERFILE.read_text())
    fields_at = out / "packages.json"
    if step == "base":
        check_machine(lock.architecture)
        tree, fields = base_tree(fetch_packages(lock, out / "packages"))
        fields_at.write_text(json.dumps([dict(one) for one in fields]))
    else:
        tree, _ = guest_tree(guest_files(), recipe, lock, json.loads(fields_at.read_text()))
    (out / step).mkdir(parents=True)
    write_directory(tree, out / step, owners=True)


def _prune(cache: Path) -> None:
    """Remove images that nobody asked for in a day, except the newest few."""
    places = [path.parent for path in cache.glob("*/image.tar")]
    newest = sorted(places, key=lambda place: place.stat().st_mtime, reverse=True)
    for place in newest[_KEPT_IMAGES:]:
        if time.time() - place.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(place, ignore_errors=True)


def _key(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(words: list[str] | None = None) -> int:
    """The command line; 1 with a sentence when the image cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m runners.image.build", description="Build the guest image.")
    steps = parser.add_subparsers(dest="what", required=True)
    offline = steps.add_parser("offline", help="without an engine and a registry; prints where it is")
    offline.add_argument("--load", metavar="ENGINE", help="have this engine load it")
    by_engine = steps.add_parser("containerfile", help="by podman, docker or buildah")
    by_engine.add_argument("--engine", help="which program builds; the first there is, if not given")
    for step in ("base", "guest"):
        steps.add_parser(step, help="a step of the Containerfile").add_argument("out", type=Path)
    asked = parser.parse_args(words)
    try:
        if asked.what == "offline":
            image = build_offline()
            if asked.load:
                load_into(asked.load, image)
            made = {name: str(value) for name, value in asdict(image).items()}
        elif asked.what == "containerfile":
            made = build_with_engine(asked.engine or _engine())
        else:
            _step(asked.what, asked.out)
            return 0
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
