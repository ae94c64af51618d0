"""A real Podman with a store of its own, so that nothing of this machine's is seen or changed."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

# Podman 4.3 takes soft for hard and hard for soft: equal numbers.
_CONFIGURATION: Final = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_HYBRID: Final = Path("/sys/fs/cgroup/unified")
_TIMEOUT_SECONDS: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How to call Podman: its command line and its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def line(self) -> str:
        """It as one line for a shell, the environment that it needs included."""
        return self.line_for(None)

    def line_for(self, runtime: str | None) -> str:
        """It as one line for a shell, and what a runtime needs besides."""
        configuration = f"CONTAINERS_CONF={self.environment['CONTAINERS_CONF']}"
        words = ["/usr/bin/env", configuration, *self.command]
        if runtime == "crun" and _HYBRID.is_dir():
            # crun wants cgroups of one version only: the other one is taken out of its sight, and of nobody else's.
            words = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f'umount {_HYBRID} && exec "$@"', "sh", *words]
        return shlex.join(words)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Call it and wait."""
        return subprocess.run(
            [*self.command, *words],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=check,
        )


def why_no_engine(*programs: str) -> str | None:
    """Why no containers can be run here, None when they can."""
    if os.geteuid() != 0:
        return "containers are tested as root only: not root"
    missing = [name for name in ("podman", "conmon", *programs) if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def needs_engine(*programs: str) -> pytest.MarkDecorator:
    """Skip by name where no containers can be run."""
    why = why_no_engine(*programs)
    return pytest.mark.skipif(why is not None, reason=why or "")


def make_engine(directory: Path) -> Engine:
    """Podman with its store, its state and its settings below ``directory``."""
    configuration = directory / "containers.conf"
    configuration.write_text(_CONFIGURATION)
    places = [word for name in ("root", "runroot", "tmpdir") for word in (f"--{name}", str(directory / name))]
    environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
    return Engine(command=(shutil.which("podman") or "podman", *places), environment=environment)


def close_engine(engine: Engine) -> None:
    """End and remove all that is in its store."""
    engine.run("rm", "--all", "--force", "--time", "0", check=False)
    engine.run("system", "reset", "--force", check=False)
