"""The backend that executes runs, as the settings name it."""

import asyncio
import contextlib
import hashlib
import importlib.util
import socket
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from app.http.door import open_doors
from app.settings import Environment, RunnerKind, ServiceSettings
from app.store.engine import parse_url
from bot.errors import SettingsError
from bot.ports.runner import AgentRunner
from runners.backends.cluster.runner import ClusterRunner
from runners.backends.container import ContainerRunner
from runners.backends.process import ProcessRunner
from runners.manifests import Placement
from runners.sandbox import SandboxSpec


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


def sandbox_spec(settings: ServiceSettings) -> SandboxSpec:
    """What all sandboxes of this installation have in common."""
    return SandboxSpec(
        image=settings.run_image,
        instance=instance_id(settings),
        cpus=settings.run_cpus,
        memory_bytes=settings.run_memory_bytes,
        pids=settings.run_pids,
        disk_bytes=settings.run_disk_bytes,
    )


def instance_id(settings: ServiceSettings) -> str:
    """A name for this installation: the same in all of its processes, another one for another database."""
    url = parse_url(settings.database_url.get_secret_value())
    place = f"{url.host}:{url.port}/{url.database}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


async def open_cluster(settings: ServiceSettings) -> ClusterRunner:
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
        node_selector=settings.cluster_node_selector,
        tolerations=settings.cluster_tolerations,
        affinity=settings.cluster_affinity or None,
        queue=settings.cluster_queue,
    )
    return ClusterRunner.open(
        kubeconfig=settings.cluster_kubeconfig,
        context=settings.cluster_context,
        spec=sandbox_spec(settings),
        placement=placement,
    )


async def _address(host: str) -> str:
    """The gateway's address; a pod has no name service to ask for it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise SettingsError(f"FLOWFORGE_GATEWAY_URL: the host {host} is not known here") from None
    return str(found[0][4][0])


async def open_runner(settings: ServiceSettings, stack: contextlib.AsyncExitStack) -> AgentRunner:
    """The backend, closed with ``stack``.

    Raises:
        SettingsError: it cannot be made with these settings.
    """
    match settings.runner:
        case RunnerKind.PROCESS:
            return ProcessRunner(
                settings.data_dir / "runs",
                claude=claude_path(settings),
                development=settings.environment is Environment.DEVELOPMENT,
            )
        case RunnerKind.CLUSTER:
            cluster = await open_cluster(settings)
            stack.push_async_callback(cluster.close)
            return cluster
        case RunnerKind.CONTAINER:
            doors = await stack.enter_async_context(open_doors())
            return ContainerRunner(
                settings.data_dir / "runs",
                spec=sandbox_spec(settings),
                doors=doors,
                engine=settings.container_engine,
                runtime=settings.container_runtime,
            )
        case _:
            assert_never(settings.runner)
