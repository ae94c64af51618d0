"""A probe in a real container: nothing gets out of the sealed one, and whatever wall is taken away is named."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.demo.model.resolver import HonestResolver
from app.doctor.model import State
from app.doctor.sandboxes import backend_checks, isolation_checks
from app.http.door import open_doors
from app.isolation import prover_of
from app.settings import RunnerKind
from app.system import SystemClock, SystemIds
from bot.model.runs import RunTask
from runners.backends.container import ContainerRunner
from runners.guest.probe_words import Address, ProbeTargets
from runners.isolation import IsolationProbe, IsolationReport
from tests.app.jobs.parts import settings_of
from tests.image.engine import Engine, needs_engine
from tests.runners.bench import Bench, left_in
from tests.runners.container.bench import ContainerBench, open_containers, spec

Change = tuple[Sequence[str], Sequence[str]]
"""Options as they stand in the sealed container's command line, and what stands there instead."""


class LeakyRunner(ContainerRunner):
    """The container backend with one wall taken away."""

    change: Change = ((), ())

    def options(self, task: RunTask, place: Path, environment: Mapping[str, str]) -> list[str]:
        options, (was, becomes) = super().options(task, place, environment), self.change
        if not was:
            return [*becomes, *options]
        at = next(start for start in range(len(options)) if options[start : start + len(was)] == list(was))
        return [*options[:at], *becomes, *options[at + len(was) :]]


Leaky = Callable[[Change], AbstractAsyncContextManager[ContainerRunner]]


@pytest.fixture
def leaky(engine: Engine, loaded_image: str, places: Path) -> Leaky:
    @asynccontextmanager
    async def opened(change: Change) -> AsyncIterator[ContainerRunner]:
        async with open_doors() as doors:
            runner = LeakyRunner(places, spec=spec(loaded_image), doors=doors, engine=engine.line)
            runner.change = change
            yield runner
        assert left_in(places) == []

    return opened


async def proved(bench: Bench, runner: ContainerRunner, *, gvisor: bool = False) -> IsolationReport:
    """Probe a container; the gateway's own TCP port stands for what no sandbox may reach."""
    parts = urlsplit(bench.gateway_url)
    assert parts.hostname is not None
    assert parts.port is not None
    other, _ = await bench.prepare(HonestResolver())
    targets = ProbeTargets(
        nonce="",
        connect=(Address(name="the database", host=parts.hostname, port=parts.port),),
        resolve=("flowforge.invalid",),
        nameservers=("192.0.2.53",),
        absent=(str(bench.directory), "/canary"),
        other_run=other.run_id,
        sealed=True,
        gvisor=gvisor,
    )
    probe = IsolationProbe(runner, gateway_url=bench.gateway_url, clock=SystemClock(), ids=SystemIds())
    return await probe.prove(targets)


@needs_engine("runc")
async def test_nothing_gets_out_of_a_sealed_container(bench: Bench, containers: ContainerBench) -> None:
    report = await proved(bench, containers.runner)
    assert [str(one) for one in report.violations] == []
    assert report.reason() is None
    assert {one.name for one in report.weaknesses} <= {"a user namespace", "the host's virtual socket"}
    assert report.claude_version == "2.1.330 (Claude Code)"
    assert len(report.attempts) > 80


@needs_engine("runc")
@pytest.mark.parametrize(
    ("change", "names"),
    [
        ((("--network", "none"), ("--network", "host")), {"the database at", "a network interface", "a route off"}),
        ((("--read-only",), ()), {"a root that can be written"}),
        ((("--user", "1000:1000"), ("--user", "0:0")), {"being root", "becoming root"}),
        ((("--cap-drop", "ALL"), ("--cap-add", "NET_RAW")), {"capabilities"}),
        ((("--security-opt", "no-new-privileges"), ()), {"new privileges by a program"}),
        (((), ("--security-opt", "seccomp=unconfined")), {"system calls without a filter"}),
        (((), ("--pid", "host")), {"processes of others"}),
        (((), ("--volume", "/usr/share:/canary:ro")), {"finding /canary"}),
        (((), ("--env", "LEAKED=x")), {"variables that no guest needs"}),
        (
            (("--user", "1000:1000", "--cap-drop", "ALL"), ("--user", "0:0", "--privileged")),
            {"mounting", "a raw socket", "a mount namespace", "being root"},
        ),
    ],
    ids=lambda given: " ".join(given[1]) or "nothing" if isinstance(given, tuple) else "",
)
async def test_each_wall_that_is_taken_away_is_named(
    bench: Bench, leaky: Leaky, change: Change, names: set[str]
) -> None:
    async with leaky(change) as runner:
        report = await proved(bench, runner)
    found = {one.name for one in report.violations}
    assert not report.proved
    for name in names:
        assert [one for one in found if one.startswith(name)], f"{name} is not among {found}; {report.problem}"


@needs_engine("runsc")
async def test_nothing_gets_out_of_gvisor_either(bench: Bench, engine: Engine, loaded_image: str, places: Path) -> None:
    async with open_containers(bench, engine, spec(loaded_image), places, runtime="runsc") as containers:
        report = await proved(bench, containers.runner, gvisor=True)
    assert [str(one) for one in report.violations] == []
    assert report.reason() is None


@needs_engine("runc")
async def test_a_kernel_that_should_be_gvisors_and_is_not_is_named(bench: Bench, containers: ContainerBench) -> None:
    report = await proved(bench, containers.runner, gvisor=True)
    assert [one.name for one in report.violations] == ["the host's kernel"]


# --- the doctor


@needs_engine("runc")
async def test_the_doctor_is_content_with_the_real_parts(
    containers: ContainerBench, loaded_image: str, tmp_path: Path
) -> None:
    settings = settings_of(
        tmp_path,
        database_url=f"sqlite:///{tmp_path / 'x.db'}",
        redis_url="redis://127.0.0.1:9",
        gateway_url=containers.bench.gateway_url,
        runner=RunnerKind.CONTAINER,
        run_image=loaded_image,
    )
    runner = containers.runner
    there, rights = await backend_checks(runner)
    assert (there.state, rights.state) == (State.OK, State.SKIPPED)
    store = containers.bench.store
    prove = prover_of(settings, runner, store=store, clock=SystemClock(), ids=SystemIds(), outside=())
    claude, isolation = await isolation_checks(settings, runner, prove)
    assert claude.state is State.OK
    assert isolation.state in {State.OK, State.WARNING}, isolation.says
    assert " attempts" in isolation.says
    claude, isolation = await isolation_checks(settings, runner, None)
    assert (claude.state, isolation.state) == (State.OK, State.SKIPPED)


@needs_engine("runc")
async def test_the_doctor_misses_an_image_and_an_engine(engine: Engine, places: Path) -> None:
    async with open_doors() as doors:
        without = ContainerRunner(places, spec=spec("localhost/none:1"), doors=doors, engine=engine.line)
        there, _ = await backend_checks(without)
        assert there.state is State.FAILED
        assert "FLOWFORGE_RUN_IMAGE" in there.todo
        away = ContainerRunner(places, spec=spec("localhost/none:1"), doors=doors, engine="/bin/false")
        there, _ = await backend_checks(away)
        assert there.state is State.FAILED
        assert "FLOWFORGE_CONTAINER_ENGINE" in there.todo
