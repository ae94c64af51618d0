"""The backend that executes runs, as the settings name it."""

import asyncio
import contextlib
import importlib.util
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from app.http.door import open_doors
from app.settings import Environment, RunnerKind, ServiceSettings
from bot.errors import SettingsError
from bot.ports.runner import AgentRunner
from runners.backends.cluster.runner import ClusterRunner
from runners.backends.container import ContainerRunner
from runners.backends.process import ProcessRunner
from runners.manifests import Placement
from runners.sandbox import SandboxSpec

InstanceId = Callable[[], Awaitable[str]]


def claude_path(settings: ServiceSettings) -> Path:
    """Claude Code's binary: the setting, or the one that claude-agent-sdk bundles.

    Raises:
        SettingsError: there is none.
    """
    sdk = importlib.util.find_spec("claude_agent_sdk")
    bundled = None if sdk is None or sdk.origin is None else Path(sdk.origin).parent / "_bundled" / "claude"
    path = settings.claude_path or bundled
    if path is None or not path.is_file():
        raise SettingsError("Claude Code was not found; set FLOWFORGE_CLAUDE_PATH to its binary")
    return path


def sandbox_spec(settings: ServiceSettings, instance: str) -> SandboxSpec:
    """What all sandboxes of the installation named ``instance`` have in common."""
    return SandboxSpec(
        image=settings.run_image,
        instance=instance,
        cpus=settings.run_cpus,
        memory_bytes=settings.run_memory_bytes,
        pids=settings.run_pids,
        disk_bytes=settings.run_disk_bytes,
    )


async def open_cluster(settings: ServiceSettings, instance: str) -> ClusterRunner:
    """Runs as Kubernetes Jobs.

    Raises:
        SettingsError: there is no such kubeconfig or context, or nobody knows the gateway's address.
    """
    host = urlsplit(settings.gateway_url).hostname or ""
    placement = Placement(
        namespace=settings.cluster_namespace,
        service_account=settings.cluster_service_account,
        gateway_host=host,
        gateway_ip=await _address(host),
        pending_seconds=settings.run_pending_seconds,
        image_pull_policy=settings.cluster_image_pull_policy.value,
        image_pull_secrets=settings.cluster_image_pull_secrets,
        runtime_class=settings.cluster_runtime_class,
        user_namespace=settings.cluster_user_namespace,
        node_selector=settings.cluster_node_selector,
        tolerations=settings.cluster_tolerations,
        affinity=settings.cluster_affinity or None,
        queue=settings.cluster_queue,
    )
    return ClusterRunner.open(
        kubeconfig=settings.cluster_kubeconfig,
        context=settings.cluster_context,
        spec=sandbox_spec(settings, instance),
        placement=placement,
    )


async def _address(host: str) -> str:
    """The gateway's address; a pod has no name service to ask for it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise SettingsError(f"FLOWFORGE_GATEWAY_URL: the host {host} is not known here") from None
    return str(found[0][4][0])


async def open_runner(
    settings: ServiceSettings, stack: contextlib.AsyncExitStack, *, instance: InstanceId
) -> AgentRunner:
    """The backend, closed with ``stack``.

    ``instance`` is asked for this installation's name where sandboxes bear it: those with another one are somebody
    else's, and are left alone.

    Raises:
        SettingsError: it cannot be made with these settings.
        StoreError: nobody can tell the installation's name.
    """
    match settings.runner:
        case RunnerKind.PROCESS:
            return ProcessRunner(
                settings.data_dir / "runs",
                claude=claude_path(settings),
                development=settings.environment is Environment.DEVELOPMENT,
            )
        case RunnerKind.CLUSTER:
            cluster = await open_cluster(settings, await instance())
            stack.push_async_callback(cluster.close)
            return cluster
        case RunnerKind.CONTAINER:
            spec = sandbox_spec(settings, await instance())
            doors = await stack.enter_async_context(open_doors())
            return ContainerRunner(
                settings.data_dir / "runs",
                spec=spec,
                doors=doors,
                engine=settings.container_engine,
                runtime=settings.container_runtime,
            )
        case _:
            assert_never(settings.runner)
