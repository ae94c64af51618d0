"""Where the demo's runs are executed: as child processes, in containers, or as Jobs of a cluster."""

import asyncio
import contextlib
import ipaddress
import os
import secrets
import shlex
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, assert_never
from urllib.parse import urlsplit

from app.settings import PullPolicy, RunnerKind
from bot.errors import BadInputError
from runners.backends.cluster.api import ClusterApi
from runners.backends.cluster.namespace import namespace, sealed_namespace
from runners.image.build import build_offline
from runners.image.errors import ImageError

LOOPBACK: Final = "127.0.0.1"
IMAGE_VARIABLE: Final = "FLOWFORGE_RUN_IMAGE"
_SERVICE_ACCOUNT: Final = "flowforge-run"
_ENGINES: Final = ("podman", "docker")
_RUNTIMES: Final = ("crun", "runc")

Confirm = Callable[[str], Awaitable[bool]]
"""Asks a person whether this cluster is the one to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """What the command line says of sandboxes."""

    runner: RunnerKind = RunnerKind.PROCESS
    image: str | None = None
    runtime: str | None = None
    context: str | None = None
    gateway_host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs go: the address that the gateway binds, the settings, and what is done once the port is known."""

    gateway_host: str = LOOPBACK
    overrides: dict[str, object] = field(default_factory=dict)
    open: Callable[[int], contextlib.AbstractAsyncContextManager[None]] = field(
        default=lambda _port: contextlib.nullcontext()
    )
    said: str = ""


@contextlib.asynccontextmanager
async def place_of(options: SandboxOptions, *, confirm: Confirm) -> AsyncIterator[Place]:
    """Make ready what the chosen backend needs.

    Raises:
        BadInputError: something is missing, or nobody agreed to the cluster; the message says what to do.
    """
    match options.runner:
        case RunnerKind.PROCESS:
            yield Place()
        case RunnerKind.CONTAINER:
            yield await _container(options)
        case RunnerKind.CLUSTER:
            async with _cluster(options, confirm) as place:
                yield place
        case _:
            assert_never(options.runner)


async def _container(options: SandboxOptions) -> Place:
    engine = os.environ.get("FLOWFORGE_CONTAINER_ENGINE") or next((one for one in _ENGINES if shutil.which(one)), None)
    if engine is None:
        raise BadInputError("--runner container needs podman or docker on the PATH, and there is neither")
    image = _named(options) or await _built(engine)
    runtime = options.runtime or await _working_runtime(engine, image)
    overrides: dict[str, object] = {
        "runner": RunnerKind.CONTAINER,
        "run_image": image,
        "container_engine": engine,
        "container_runtime": runtime,
    }
    by = f" by {runtime}" if runtime else ""
    return Place(overrides=overrides, said=f"sealed containers of {engine}{by}, image {image}")


async def _built(engine: str) -> str:
    """The guest image's name in the engine, which has it afterwards: from Debian's packages, without a registry."""
    try:
        built = await asyncio.to_thread(build_offline)
    except ImageError as error:
        raise BadInputError(f"the guest image cannot be built here: {error}; name one with --image") from None
    if await _call(engine, "image", "inspect", built.reference) != "":
        return built.reference
    if await _call(engine, "load", "--input", str(built.archive)) == "":
        raise BadInputError(f"{engine} does not take the guest image; try `{engine} load --input {built.archive}`")
    return built.reference


async def _working_runtime(engine: str, image: str) -> str | None:
    """The engine's own runtime where it works on this machine, else the first that does.

    An engine may name one that does not know the machine's cgroups.
    """
    for runtime in (None, *_RUNTIMES):
        options = [] if runtime is None else ["--runtime", runtime]
        if runtime is not None and shutil.which(runtime) is None:
            continue
        trial = ("run", "--rm", "--network", "none", "--entrypoint", "/usr/bin/python3", image, "-c", "print('ran')")
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        if await _call(engine, *options, *trial[:1], *limits, *trial[1:]) == "ran":
            return runtime
    raise BadInputError(f"{engine} runs no container on this machine; `{engine} run --rm {image}` says why")


async def _call(engine: str, *arguments: str) -> str:
    """What the engine prints, empty when it fails."""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(engine),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    return said.decode("utf-8", "replace").strip() if process.returncode == 0 else ""


@contextlib.asynccontextmanager
async def _cluster(options: SandboxOptions, confirm: Confirm) -> AsyncIterator[Place]:
    kubeconfig = _kubeconfig()
    image = _named(options)
    if image is None:
        raise BadInputError(
            "the cluster's nodes need the guest image: make one with `make image`, push it to where they fetch images, "
            f"and name it with --image or {IMAGE_VARIABLE}"
        )
    name = f"flowforge-demo-{secrets.token_hex(4)}"
    api = ClusterApi.open(name, kubeconfig=kubeconfig, context=options.context)
    try:
        said = f"the cluster of {api.context} ({api.server}), namespace {name}"
        if options.context is None and not await confirm(said):
            raise BadInputError("nothing was done: name the cluster with --context NAME, or agree to it when asked")
        host = options.gateway_host or await _address_towards(api.server)
        overrides: dict[str, object] = {
            "runner": RunnerKind.CLUSTER,
            "run_image": image,
            "cluster_kubeconfig": kubeconfig,
            "cluster_context": options.context,
            "cluster_namespace": name,
            "cluster_service_account": _SERVICE_ACCOUNT,
            "cluster_image_pull_policy": PullPolicy.IF_NOT_PRESENT,
            "cluster_runtime_class": options.runtime,
        }

        def sealed(port: int) -> contextlib.AbstractAsyncContextManager[None]:
            objects = sealed_namespace(name, service_account=_SERVICE_ACCOUNT, gateway_ip=host, gateway_port=port)
            return namespace(api, objects)

        yield Place(gateway_host=host, overrides=overrides, open=sealed, said=said)
    finally:
        await api.close()


def _kubeconfig() -> Path:
    """The file that kubectl would take first."""
    found = Path(os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or Path.home() / ".kube" / "config")
    if not found.is_file():
        raise BadInputError(f"--runner cluster needs a kubeconfig, and there is none at {found}")
    return found


def _named(options: SandboxOptions) -> str | None:
    """The guest image that somebody named."""
    return options.image or os.environ.get(IMAGE_VARIABLE) or None


async def _address_towards(server: str) -> str:
    """This machine's address on the way to the API server, for want of a better guess at what pods reach."""
    parts = urlsplit(server)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM)
    family, _, _, _, address = found[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(address)  # of a datagram socket: nothing is sent
        mine = str(probe.getsockname()[0])
    if ipaddress.ip_address(mine).is_loopback:
        raise BadInputError(
            f"the cluster's API server is at {parts.hostname}, which does not tell at which address pods reach this "
            "machine: say it with --gateway-host ADDRESS"
        )
    return mine
