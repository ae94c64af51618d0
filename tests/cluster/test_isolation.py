"""A probe in a real pod: the chart's policy leaves it the gateway and nothing else; without it, the probe says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.demo.model.resolver import HonestResolver
from app.doctor.model import State
from app.doctor.sandboxes import backend_checks
from app.http.server import bind
from app.system import SystemClock, SystemIds
from runners.guest.probe_words import Address, ProbeTargets
from runners.isolation import IsolationProbe, IsolationReport
from tests.cluster.bench import ClusterBench
from tests.cluster.node import GVISOR
from tests.cluster.test_runs import Parts, guest, parts

__all__ = ["guest", "parts"]

_DATABASE = "the database"


@dataclass
class Listening:
    """A service of ours on the node's network, beside the gateway: no pod may get there."""

    host: str
    port: int


@contextlib.asynccontextmanager
async def database(parts: Parts) -> AsyncIterator[Listening]:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with bind(parts.cluster.node.network.host, 0) as listener:
        host, port = listener.getsockname()
        async with await asyncio.start_server(close, sock=listener):
            yield Listening(host, port)


async def proved(parts: Parts, *, gvisor: bool = False, runtime_class: str | None = None) -> IsolationReport:
    runner = parts.bench.runner(runtime_class=runtime_class)
    other, _ = await parts.bench.bench.prepare(HonestResolver())
    host = parts.cluster.node.network.host
    async with database(parts) as listening:
        targets = ProbeTargets(
            nonce="",
            connect=(
                Address(name=_DATABASE, host=listening.host, port=listening.port),
                Address(name="the Internet", host="192.0.2.1", port=443),
            ),
            resolve=("kubernetes.default.svc.cluster.local", "flowforge.invalid"),
            nameservers=(host,),
            other_run=other.run_id,
            gvisor=gvisor,
        )
        probe = IsolationProbe(runner, gateway_url=parts.bench.gateway_url, clock=SystemClock(), ids=SystemIds())
        try:
            return await probe.prove(targets)
        finally:
            await runner.close()


async def test_from_a_pod_only_the_gateway_answers(parts: Parts) -> None:
    report = await proved(parts)
    assert [str(one) for one in report.violations] == []
    assert report.reason() is None
    assert {one.name for one in report.weaknesses} <= {"a user namespace", "the host's virtual socket"}
    assert report.claude_version == "2.1.330 (Claude Code)"
    assert (parts.bench.jobs(), parts.bench.pods()) == ([], [])


async def test_without_the_policy_the_probe_gets_out_and_says_so(parts: Parts) -> None:
    for policy in parts.bench.plane.admin.items("NetworkPolicy", parts.bench.namespace):
        parts.bench.plane.admin.remove("NetworkPolicy", policy["metadata"]["name"], parts.bench.namespace)
    report = await proved(parts)
    assert [one.name for one in report.violations if one.name.startswith(_DATABASE)]
    assert (report.reason() or "").startswith("sandboxes are not isolated: ")


async def test_a_runtime_class_that_is_not_in_effect_is_named(parts: Parts) -> None:
    report = await proved(parts, gvisor=True)
    assert [one.name for one in report.violations] == ["the host's kernel"]


async def test_gvisor_keeps_a_pod_in_as_well(parts: Parts) -> None:
    report = await proved(parts, gvisor=True, runtime_class=GVISOR)
    assert [str(one) for one in report.violations] == []
    assert report.reason() is None


async def test_the_doctor_reads_the_workers_rights(bench: ClusterBench) -> None:
    runner = bench.runner()
    there, rights = await backend_checks(runner)
    assert (there.state, rights.state) == (State.OK, State.OK)
    for role in bench.plane.admin.items("RoleBinding", bench.namespace):
        bench.plane.admin.remove("RoleBinding", role["metadata"]["name"], bench.namespace)
    there, rights = await backend_checks(runner)
    assert (there.state, rights.state) == (State.OK, State.FAILED)
    assert "missing: jobs: create" in rights.says
    assert "charts/flowforge" in rights.todo
    await runner.close()
