"""The gateway, the backend, the guest image, and whether sandboxes are sealed."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx

from app.doctor.model import ANSWER_SECONDS, Check, failed, ok, skipped, warning
from app.isolation import Prove
from app.settings import RunnerKind, ServiceSettings
from app.wiring_sandboxes import claude_path
from bot.errors import SandboxError, SettingsError
from bot.ports.runner import AgentRunner
from runners.backends.cluster import ClusterRunner
from runners.backends.container import ContainerRunner
from runners.isolation import IsolationReport

GATEWAY: Final = "gateway"
BACKEND: Final = "backend"
RIGHTS: Final = "rights"
IMAGE: Final = "image"
CLAUDE_CODE: Final = "claude_code"
ISOLATION: Final = "isolation"

MEASURED_CLAUDE_CODE: Final = "2.1.330"
"""The version of Claude Code whose behaviour against hostile repositories was measured."""

CLAUDE_CODE_LABEL: Final = "dev.flowforge.claude-code"
"""The label of the guest image that says which one it has."""

_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
_TOO_MUCH: Final = "too much: "

_REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "network": "Let nothing lead from a sandbox to anything but the gateway's port: in a cluster a default-deny "
        "NetworkPolicy and a network plugin that enforces it, in containers `--network none`.",
        "names": "Give sandboxes no name server (`dnsPolicy: None`), and deny port 53.",
        "gateway": "Serve sandboxes nothing but FLOWFORGE_GATEWAY_PORT; see that no proxy in front of it answers.",
        "runs": "See that the gateway is this version's, and that no proxy in front of it changes requests.",
        "files": "Run the guest image with a read-only root, and mount nothing of the host's.",
        "privileges": "Run the guest as a user without capabilities, with no_new_privs and a seccomp profile.",
        "processes": "Give each sandbox a process namespace of its own.",
        "environment": "Put nothing into a sandbox's environment besides what FlowForge puts there.",
        "kernel": "See that FLOWFORGE_CONTAINER_RUNTIME or FLOWFORGE_CLUSTER_RUNTIME_CLASS is in effect, and that no "
        "container may read the kernel's log.",
    },
)
"""What to do about a violation, by its kind."""


async def gateway_check(settings: ServiceSettings) -> Check:
    """Whether the gateway answers at the address that sandboxes are told."""
    todo = "Start `flowforge gateway`, or correct FLOWFORGE_GATEWAY_URL."
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as http:
            answer = await http.get(f"{settings.gateway_url.rstrip('/')}/v1/models")
    except (httpx.RequestError, httpx.InvalidURL) as error:
        return failed(GATEWAY, f"the gateway does not answer ({type(error).__name__})", todo)
    if answer.status_code not in {401, 403}:
        return failed(GATEWAY, f"what answers there is no gateway: it said HTTP {answer.status_code}", todo)
    return ok(GATEWAY, "the gateway answers, and gives nothing without a run's token")


async def backend_checks(runner: AgentRunner) -> list[Check]:
    """Whether the backend can be reached, and may do what it has to and no more."""
    if isinstance(runner, ClusterRunner):
        return await _cluster(runner)
    if isinstance(runner, ContainerRunner):
        return [await _container(runner), skipped(RIGHTS, "this backend needs none")]
    todo = "Set FLOWFORGE_RUNNER to `container` or `cluster` for any repository that is not your own."
    there = warning(BACKEND, f"runs are processes of this machine ({runner.name}), which is no sandbox", todo)
    return [there, skipped(RIGHTS, "this backend needs none")]


async def _container(runner: ContainerRunner) -> Check:
    todo = "Install the engine of FLOWFORGE_CONTAINER_ENGINE, start it, and load the image of FLOWFORGE_RUN_IMAGE."
    problems = await runner.check()
    if problems:
        return failed(BACKEND, "; ".join(problems), todo)
    return ok(BACKEND, "the container engine answers, and has the guest image")


async def _cluster(runner: ClusterRunner) -> list[Check]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            problems = await runner.check_rights()
    except TimeoutError:
        return _no_cluster("it did not answer in time")
    except SandboxError as error:
        return _no_cluster(str(error))
    there = ok(BACKEND, f"runs are Jobs in {runner.describe()}")
    todo = "Apply the Role of the chart (charts/flowforge) to the worker's ServiceAccount, and no other."
    missing = [problem for problem in problems if not problem.startswith(_TOO_MUCH)]
    if missing:
        return [there, failed(RIGHTS, "; ".join(missing), todo)]
    if problems:
        return [there, warning(RIGHTS, "; ".join(problems), todo)]
    return [there, ok(RIGHTS, "the worker may do what runs need, and no more")]


def _no_cluster(why: str) -> list[Check]:
    todo = "See that this machine reaches the cluster, and that the worker's identity is known there."
    return [failed(BACKEND, f"the API server: {why}", todo), skipped(RIGHTS, "the API server did not answer")]


def image_check(settings: ServiceSettings) -> Check:
    """Whether the image's name says which image it is."""
    if settings.runner is RunnerKind.PROCESS:
        return skipped(IMAGE, "this backend has no image")
    if settings.runner is RunnerKind.CLUSTER and "@sha256:" not in settings.run_image:
        todo = "Name it by digest: FLOWFORGE_RUN_IMAGE=<repository>@sha256:<digest>."
        return warning(
            IMAGE, f"the guest image {settings.run_image} is named by a tag, which may come to mean another", todo
        )
    return ok(IMAGE, f"the guest image is {settings.run_image}")


async def isolation_checks(settings: ServiceSettings, runner: AgentRunner, prove: Prove | None) -> list[Check]:
    """Start a probe sandbox: what it gets at, and which Claude Code it has. None skips it."""
    if settings.runner is RunnerKind.PROCESS:
        version = await _version_here(settings)
        return [
            _claude_code(version),
            skipped(ISOLATION, "the process backend is no sandbox: there is nothing to prove"),
        ]
    if prove is None:
        return [await _labelled(runner), skipped(ISOLATION, "no probe was wanted")]
    report = await prove()
    version_check = _claude_code(report.claude_version) if report.attempts else skipped(CLAUDE_CODE, "no probe ran")
    return [version_check, _isolation(report)]


async def _labelled(runner: AgentRunner) -> Check:
    """Without a probe there is only the image's own word, where it can be read."""
    if not isinstance(runner, ContainerRunner):
        return skipped(CLAUDE_CODE, "no probe was wanted")
    try:
        return _claude_code(await runner.image_label(CLAUDE_CODE_LABEL))
    except SandboxError as error:
        return skipped(CLAUDE_CODE, str(error))


def _isolation(report: IsolationReport) -> Check:
    reason = report.reason()
    if report.violations:
        kinds = dict.fromkeys(one.kind for one in report.violations)
        return failed(ISOLATION, str(reason), " ".join(_REMEDIES[kind] for kind in kinds if kind in _REMEDIES))
    if reason is not None:
        return failed(ISOLATION, reason, "Until a probe answers, no run is started; see the worker's log.")
    untried = f" (not tried: {'; '.join(report.untried)})" if report.untried else ""
    if report.weaknesses:
        said = "; ".join(str(one) for one in report.weaknesses)
        todo = "A stricter seccomp profile, or gVisor, takes that away too."
        tried = f"{len(report.attempts)} attempts, none got out{untried}; still allowed: {said}"
        return warning(ISOLATION, tried, todo)
    return ok(ISOLATION, f"{len(report.attempts)} attempts to get out of a probe sandbox, and none did{untried}")


def _claude_code(said: str) -> Check:
    found = _VERSION.search(said)
    todo = f"Build the guest image of this version, with Claude Code {MEASURED_CLAUDE_CODE} (`make image`)."
    if found is None:
        return failed(CLAUDE_CODE, "Claude Code does not say its version", todo)
    if found[0] != MEASURED_CLAUDE_CODE:
        return failed(
            CLAUDE_CODE, f"Claude Code is {found[0]}; what is known is how {MEASURED_CLAUDE_CODE} behaves", todo
        )
    return ok(CLAUDE_CODE, f"Claude Code is {found[0]}")


async def _version_here(settings: ServiceSettings) -> str:
    try:
        path: Path = claude_path(settings)
        process = await asyncio.create_subprocess_exec(
            *(str(path), "--version"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
        )
    except (SettingsError, OSError):
        return ""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return ""
    return said.decode("utf-8", "replace")
