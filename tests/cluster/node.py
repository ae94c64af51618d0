"""A real node: containerd, runc, the CNI plugins, a kubelet and a network plugin that enforces policies.

All of it runs in namespaces of its own (processes, mounts, network), so that the host's firewall, ``/run``,
``/var/lib`` and kernel settings are not touched and everything is gone with the keeper's process.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster import images
from tests.cluster.api import Object
from tests.cluster.assets import AssetError, locked, program
from tests.cluster.held import ProgramError, Programs
from tests.cluster.network import Network, connect
from tests.cluster.plane import READY_SECONDS, Plane, running_plane

NODE: Final = "test-node"
GVISOR: Final = "runsc"
"""The runtime class whose pods have gVisor as their kernel."""

PACKAGES: Final = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "ipset": "ipset",
    "unshare": "util-linux",
}
"""The programs that a node needs beside those of ``assets``, and Debian's packages with them."""

_CNI_PACKAGE: Final = "containernetworking-plugins"
_CNI_PLACES: Final = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
_NAMESPACES: Final = ("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--mount-proc")
_SHADOWED: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet sets for the whole kernel: it finds files here that say so already.

https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ (protectKernelDefaults)
"""


def node_obstacle() -> str | None:
    """Why no node can run here; ``None`` when one can. Installs Debian's packages where it may."""
    if sys.platform != "linux":
        return "a kubelet runs on Linux only"
    if os.geteuid() != 0:
        return "a kubelet needs root"
    if _missing_packages():
        with locked("apt.lock"):
            _install(_missing_packages())
    if missing := _missing_packages():
        return f"not installed: {', '.join(missing)}"
    try:
        for name in ("kubelet", "pause", "kube-router", "runsc", "busybox"):
            program(name)
    except AssetError as error:
        return str(error)
    return _kernel_obstacle()


def _kernel_obstacle() -> str | None:
    if not os.access("/sys/fs/cgroup", os.W_OK):
        return "control groups cannot be made here"
    tried = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"namespaces cannot be made here: {tried.stderr.strip()}" if tried.returncode != 0 else None


class Node:
    """A running node.

    Attributes:
        network: the addresses.
        directory: the files and logs of this node; goes with it.
        seconds: how long each part took to come up.
    """

    name = NODE

    def __init__(self, programs: Programs, network: Network, plane: Plane, cgroup: str) -> None:
        self.network = network
        self.seconds: dict[str, float] = {}
        self._programs = programs
        self._plane = plane
        self._cgroup = cgroup
        self.directory = programs.directory
        self._socket = self.directory / "containerd.sock"

    def start(self) -> None:
        """Start all parts, and wait until the node is ready and policies are enforced."""
        self._shadow_host()
        _make_cgroups(self._cgroup)
        config = _write(self.directory / "containerd.toml", self._containerd_config())
        _write(self.directory / "cni" / "net.conflist", json.dumps(self._cni_config()))
        _write(self.directory / "runsc.toml", self._runsc_config())
        path = f"{program('containerd-shim-runsc-v1').parent}:{os.environ['PATH']}"
        self._programs.start("containerd", "containerd", "--config", str(config), environment={"PATH": path})
        self.seconds["containerd"] = self._programs.until("containerd", self._has_containerd, seconds=READY_SECONDS)
        self.import_image(images.write_pause(self.directory / "pause.tar"))
        self.import_image(images.write_busybox(self.directory / "busybox.tar"))
        _write(self.directory / "kubelet.json", json.dumps(self._kubelet_config()))
        self.start_kubelet()
        self._start_plugin()
        runtime = {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": GVISOR},
            "handler": GVISOR,
        }
        self._plane.admin.apply(runtime)

    def start_kubelet(self) -> None:
        """Start the kubelet (again), and wait until the node is ready."""
        identity = self._plane.authority.issue(f"system:node:{NODE}", groups=("system:nodes",))
        self._programs.start(
            "kubelet",
            str(program("kubelet")),
            f"--config={self.directory}/kubelet.json",
            f"--kubeconfig={self._plane.certificate_kubeconfig('kubelet', identity)}",
            f"--root-dir={self.directory}/kubelet",
            f"--cert-dir={self.directory}/kubelet-certificates",
            f"--hostname-override={NODE}",
            f"--node-ip={self.network.node}",
        )
        self.seconds["kubelet"] = self._programs.until("kubelet", self.is_ready, seconds=READY_SECONDS)

    def stop_kubelet(self) -> None:
        """Kill the kubelet: the node is lost to the cluster, its pods run on."""
        self._programs.stop("kubelet", seconds=0)

    def is_ready(self) -> bool:
        """Whether the API server says that the node takes pods."""
        for node in self._plane.admin.items("Node", fields=f"metadata.name={NODE}"):
            conditions = node.get("status", {}).get("conditions", [])
            return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return False

    def import_image(self, archive: Path) -> float:
        """Import the images of a Docker or OCI archive, and return the seconds that took."""
        began = time.monotonic()
        self.ctr("images", "import", str(archive), seconds=600)
        return time.monotonic() - began

    def ctr(self, *arguments: str, seconds: float = 60.0) -> str:
        """Ask containerd, in Kubernetes' namespace."""
        return self._programs.run(
            "ctr", "--address", str(self._socket), "--namespace", "k8s.io", *arguments, seconds=seconds
        )

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run a program on the node."""
        return self._programs.run(*argv, stdin=stdin)

    def memory_bytes(self) -> dict[str, int]:
        """The resident memory of each program."""
        return self._programs.memory_bytes()

    def _shadow_host(self) -> None:
        for place in ("/run", "/var/lib", "/var/log"):
            self._programs.run("mount", "-t", "tmpfs", "tmpfs", place)
        for name, value in _SHADOWED.items():
            file = _write(self.directory / "shadows" / name.replace("/", "."), value)
            self._programs.run("mount", "--bind", str(file), f"/proc/sys/{name}")
        # The kubelet shares its mounts with pods.
        self._programs.run("mount", "--make-rshared", "/")

    def _start_plugin(self) -> None:
        """Start kube-router for the policies alone. Until it has let a pod pass, nothing of that pod passes.

        By itself it lets a new pod pass until it has noticed it, which other plugins do not:
        https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle
        """
        for chain in ("FORWARD", "INPUT"):
            self.run("iptables", "--append", chain, "--source", self.network.pods, "--jump", "DROP")
        self._plane.admin.apply(*_PLUGIN_RIGHTS)
        identity = self._plane.authority.issue("kube-router")
        self._programs.start(
            "kube-router",
            str(program("kube-router")),
            f"--kubeconfig={self._plane.certificate_kubeconfig('kube-router', identity)}",
            f"--hostname-override={NODE}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--health-port=0",
            "-v=1",
        )
        self.seconds["kube-router"] = self._programs.until("kube-router", self._enforces, seconds=READY_SECONDS)

    def _enforces(self) -> bool:
        return "KUBE-ROUTER-FORWARD" in self.run("iptables-save", "--table", "filter")

    def _has_containerd(self) -> bool:
        with contextlib.suppress(ProgramError):
            return bool(self.ctr("version"))
        return False

    def _containerd_config(self) -> str:
        here = self.directory
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        runc, runsc = (f"{cri}.containerd.runtimes.{name}" for name in ("runc", GVISOR))
        return f"""
version = 2
root = "{here}/containerd"
state = "{here}/containerd-state"
oom_score = 0
[grpc]
address = "{self._socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{here}/opt"
[{cri}]
sandbox_image = "{images.PAUSE}"
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
disable_hugetlb_controller = true
disable_apparmor = true
[{cri}.cni]
bin_dir = "{_cni_directory()}"
conf_dir = "{here}/cni"
[{cri}.containerd]
snapshotter = "overlayfs"
[{runc}]
runtime_type = "io.containerd.runc.v2"
[{runc}.options]
SystemdCgroup = false
[{runsc}]
runtime_type = "io.containerd.runsc.v1"
[{runsc}.options]
TypeUrl = "io.containerd.runsc.v1.options"
ConfigPath = "{here}/runsc.toml"
"""

    def _runsc_config(self) -> str:
        """https://gvisor.dev/docs/user_guide/containerd/configuration/."""
        return f"""
binary_name = "{program("runsc")}"
root = "{self.directory}/runsc"
[runsc_config]
platform = "systrap"
"""

    def _cni_config(self) -> Object:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": self.network.pods, "gateway": self.network.bridge}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": f"{self.directory}/addresses",
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "ipam": addresses}
        return {"cniVersion": "1.0.0", "name": "flowforge-test", "plugins": [bridge, {"type": "loopback"}]}

    def _kubelet_config(self) -> Object:
        serving = self._plane.authority.issue("kubelet-serving", addresses=(self.network.node,))
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.network.node,
            "readOnlyPort": 0,
            "healthzPort": 0,
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self._plane.ca_file)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "failCgroupV1": False,
            "enforceNodeAllocatable": ["pods"],
            "podPidsLimit": 512,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "makeIPTablesUtilChains": False,
            "evictionHard": dict.fromkeys(_EVICTION_SIGNALS, "0%"),
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": f"{self.directory}/pod-logs",
            "volumePluginDir": f"{self.directory}/volume-plugins",
            "resolvConf": "",
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 8,
            "shutdownGracePeriod": "0s",
            "localStorageCapacityIsolation": True,
        }


_EVICTION_SIGNALS: Final = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")


_RBAC: Final = "rbac.authorization.k8s.io"
_PLUGIN_RIGHTS: Final[tuple[Object, ...]] = (
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "kube-router"},
        "rules": [
            {"apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"]}
            for group, resources in (
                ("", ["namespaces", "pods", "services", "nodes", "endpoints"]),
                ("networking.k8s.io", ["networkpolicies"]),
                ("discovery.k8s.io", ["endpointslices"]),
            )
        ],
    },
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "kube-router"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "kube-router"},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": "kube-router"}],
    },
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A control plane and its one node."""

    plane: Plane
    node: Node


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster with one node; all of it ends with the context.

    Raises:
        ProgramError: a part did not come up.
    """
    directory = Path(tempfile.mkdtemp(prefix="flowforge-node-"))
    cgroup = directory.name
    with Programs(directory, inside=_NAMESPACES, cgroup=cgroup) as programs:
        network = connect(programs)
        with running_plane(network.host) as plane:
            node = Node(programs, network, plane, cgroup)
            node.start()
            yield Cluster(plane, node)


def _make_cgroups(name: str) -> None:
    """Make the control group of all pods, in each hierarchy of version 1 or in the one of version 2."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        (root / name).mkdir()
        return
    for hierarchy in (path for path in root.iterdir() if (path / "tasks").exists() and not path.is_symlink()):
        (hierarchy / name).mkdir()
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, and then nothing can join it
            if (hierarchy / setting).exists():
                (hierarchy / name / setting).write_text((hierarchy / setting).read_text())


def _cni_directory() -> Path | None:
    return next((place for place in _CNI_PLACES if (place / "bridge").exists()), None)


def _missing_packages() -> list[str]:
    missing = {package for name, package in PACKAGES.items() if shutil.which(name) is None}
    return sorted(missing | (set() if _cni_directory() else {_CNI_PACKAGE}))


def _install(packages: list[str]) -> None:
    apt = shutil.which("apt-get")
    if apt is None or not packages:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run([apt, *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
