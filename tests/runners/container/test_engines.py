"""Other engines than Podman as root: Docker's client, and Podman of a user without rights."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from app.demo.model.failures import HeldBack
from app.demo.model.resolver import HonestResolver
from bot.model.runs import RunOutcome
from runners.image.build import BuiltImage
from tests.image.engine import Engine, close_engine, make_engine, needs_engine
from tests.runners.bench import RESOLVED, Bench
from tests.runners.container.bench import open_containers, spec

HONEST: Final = HonestResolver()
USER: Final = 34567
"""Of the user without rights, who is known in a mount namespace of the test's only."""

VERSION_1: Final = not Path("/sys/fs/cgroup/cgroup.controllers").exists()

_AS_USER: Final = """\
#!/bin/sh
# Runs "$@" as a user that this machine does not have. The first four words of what it needs are files beside this one.
exec unshare --mount /bin/sh -c '
for name in passwd group subuid subgid; do
    mount --bind {directory}/$name /etc/$name || exit 125
done
cd {directory}/home
exec setpriv --reuid {user} --regid {user} --clear-groups env HOME={directory}/home \
    XDG_RUNTIME_DIR={directory}/state CONTAINERS_CONF={directory}/containers.conf podman "$@"' sh "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """Something that speaks Docker's protocol at an address, and the engine that it really is."""

    address: str
    engine: Engine


@pytest.fixture
def docker(engine: Engine, tmp_path: Path) -> Iterator[Docker]:
    """Behind Docker's own client is Podman, which speaks Docker's protocol, since no daemon runs here."""
    address = f"unix://{tmp_path}/docker.sock"
    service = subprocess.Popen([*engine.command, "system", "service", "--time", "0", address], env=engine.environment)
    client = Engine(command=("docker", "--host", address), environment=engine.environment)
    deadline = time.monotonic() + 20
    while client.run("version", check=False).returncode != 0:
        assert time.monotonic() < deadline
    yield Docker(address=address, engine=engine)
    service.terminate()
    service.wait()


@needs_engine("runc", "docker")
async def test_docker_s_client_runs_the_same(bench: Bench, docker: Docker, loaded_image: str, places: Path) -> None:
    line = f"docker --host {docker.address}"
    async with open_containers(bench, docker.engine, spec(loaded_image), places, line=line) as containers:
        assert containers.runner.is_docker
        assert await containers.runner.check() == []
        ended = await containers.run(HONEST)
        assert ended.outcome is RunOutcome.SUCCEEDED
        assert ended.answer is not None
        assert ended.answer.changed == {"src/a.py": RESOLVED}
        run_id = await containers.bench.launch(HeldBack(script=HONEST, events=2))
        await containers.bench.asked(5)
        assert len(containers.containers(run_id)) == 1
        await bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
        assert (await containers.bench.ended(run_id)).outcome is RunOutcome.CANCELLED
        assert containers.containers() == []
        assert await containers.runner.aged() == []


@needs_engine("runc", "docker")
async def test_docker_says_what_is_missing(bench: Bench, docker: Docker, loaded_image: str, places: Path) -> None:
    line = f"docker --host {docker.address}"
    async with open_containers(bench, docker.engine, spec("localhost/not-there:1"), places, line=line) as containers:
        ended = await containers.run(HONEST)
        assert ended.outcome is RunOutcome.INFRA_TERMINAL
        assert "localhost/not-there:1" in ended.run.detail
    away = f"docker --host {docker.address}.not"
    async with open_containers(bench, docker.engine, spec(loaded_image), places, line=away) as containers:
        ended = await containers.run(HONEST)
        assert ended.outcome is RunOutcome.INFRA_RETRYABLE
        assert "Cannot connect" in ended.run.detail
        assert "Cannot connect" in (await containers.runner.check())[0]


@pytest.fixture
def rootless(built_image: BuiltImage) -> Iterator[Engine]:
    """Podman of a user without rights, who has 65,536 user ids below his own, as an ordinary machine gives them."""
    with tempfile.TemporaryDirectory(prefix="ff-user-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        for place in ("home", "state"):
            (directory / place).mkdir(mode=0o700)
            os.chown(directory / place, USER, USER)
        for kind, line in (("passwd", f"tester:x:{USER}:{USER}::{name}/home:/bin/sh"), ("group", f"tester:x:{USER}:")):
            (directory / kind).write_text(Path("/etc", kind).read_text() + f"{line}\n")
        for kind in ("subuid", "subgid"):
            (directory / kind).write_text("tester:200000:65536\n")
        make_engine(directory)
        program = directory / "podman"
        program.write_text(_AS_USER.format(directory=directory, user=USER))
        program.chmod(0o755)
        image = directory / "image.tar"
        shutil.copyfile(built_image.archive, image)
        user = Engine(command=(str(program),), environment=os.environ | {"CONTAINERS_CONF": name})
        user.run("load", "--input", str(image))
        image.unlink()
        yield user
        close_engine(user)


@pytest.mark.skipif(not Path("/etc/subuid").exists(), reason="no /etc/subuid to put another one in the place of")
@needs_engine("runc", "newuidmap", "setpriv")
async def test_podman_of_a_user_without_rights_runs_the_same(
    bench: Bench, rootless: Engine, built_image: BuiltImage, places: Path
) -> None:
    places.parent.chmod(0o755)
    line = rootless.command[0]
    async with open_containers(bench, rootless, spec(built_image.reference), places, line=line) as containers:
        ended = await containers.run(HONEST)
        assert ended.run.detail == ""
        assert ended.outcome is RunOutcome.SUCCEEDED
        inside = await containers.command("print(open('/proc/self/uid_map').read())")
        assert inside.left is not None
        assert inside.left.log_tail.split()[:6] == ["0", str(USER), "1", "1", "200000", "65536"]
        missing = await containers.runner.check()
        assert [words.partition(" does not limit memory")[0] for words in missing] == (
            ["a rootless Podman"] if VERSION_1 else []
        )
        assert containers.containers() == []
