"""A real control plane for tests: etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

RBAC and the node authorizer are on, and so is all default admission: Pod Security, quotas, limits, service accounts.
"""

import contextlib
import json
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cluster.api import Api, ApiError, Object, until
from tests.cluster.assets import AssetError, program
from tests.cluster.held import Programs
from tests.cluster.pki import Authority, KeyPair, write_key

ADMIN: Final = "test-admin"
READY_SECONDS: Final = 60.0
UNREACHABLE_SECONDS: Final = 20
"""After these, pods of a node that does not answer are given up (Kubernetes' own default is 300)."""


def plane_obstacle() -> str | None:
    """Why no control plane can run here; ``None`` when one can. Finds or builds the programs."""
    if sys.platform != "linux":
        return "a control plane runs on Linux only"
    try:
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            program(name)
    except AssetError as error:
        return str(error)
    return None


class Plane:
    """A running control plane.

    Attributes:
        url: where the API server is.
        directory: the files of this cluster; goes with it.
        ca_file: by which clients know the API server.
        admin: the API as the administrator.
        admin_kubeconfig: the same for programs.
        seconds: how long each part took to come up.
    """

    def __init__(self, programs: Programs, address: str) -> None:
        self.directory = programs.directory
        self.address = address
        self.port = free_port(address)
        self.url = f"https://{address}:{self.port}"
        self.seconds: dict[str, float] = {}
        self._programs = programs
        self._apis: list[Api] = []
        self._etcd = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        self.authority = Authority.create(self.directory)
        self.ca_file = self.authority.file
        token = secrets.token_hex(16)
        _write_private(self.directory / "tokens.csv", f'{token},{ADMIN},{ADMIN},"system:masters"\n')
        self._service_key = _service_account_key(self.directory)
        self._api_server = self._api_server_command()
        self.admin = self.api(token)
        self.admin_kubeconfig = self.write_kubeconfig("admin", {"token": token})

    def start(self) -> None:
        """Start all parts, and wait until namespaces get their service accounts."""
        peers = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        self._programs.start(
            "etcd",
            str(program("etcd")),
            f"--data-dir={self.directory}/etcd",
            f"--listen-client-urls={self._etcd}",
            f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={peers}",
            "--unsafe-no-fsync",
        )
        self.seconds["etcd"] = self._programs.until("etcd", self._etcd_answers, seconds=READY_SECONDS)
        self.start_api_server()
        self._start_controllers()
        self.seconds["service accounts"] = self._programs.until(
            "kube-controller-manager", self._has_default_account, seconds=READY_SECONDS
        )

    def start_api_server(self) -> None:
        """Start the API server (again), and wait until it is ready."""
        self._programs.start("kube-apiserver", *self._api_server)
        self.seconds["kube-apiserver"] = self._programs.until("kube-apiserver", self._is_ready, seconds=READY_SECONDS)

    def stop_api_server(self) -> None:
        """Kill the API server: what the others see is a refused connection. Asked to end, it would wait for them."""
        self._programs.stop("kube-apiserver", seconds=0)

    def api(self, token: str) -> Api:
        """The API for another identity."""
        api = Api(self.url, self.ca_file, token)
        self._apis.append(api)
        return api

    def namespace(self, name: str, *, enforce: str = "restricted") -> str:
        """Make a namespace with a Pod Security level, wait for its service account, and return its name."""
        labels = {"pod-security.kubernetes.io/enforce": enforce}
        self.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        until(lambda: self._has_default_account(name), f"the service account of {name}")
        return name

    def remove_namespace(self, name: str, *, seconds: float = 60.0) -> None:
        """Remove a namespace, and wait until all that was in it is gone."""
        self.admin.remove("Namespace", name)
        until(lambda: not self._exists("Namespace", name), f"the end of namespace {name}", seconds=seconds)

    def token(self, namespace: str, account: str = "default", *, seconds: int = 3600) -> str:
        """A token of a service account, as a pod would have it (TokenRequest)."""
        wanted = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.admin.request("POST", path, json=wanted).json()["status"]["token"])

    def kubeconfig(self, namespace: str, account: str = "default", *, seconds: int = 3600) -> Path:
        """The path of a kubeconfig with a service account's token; its context is called ``test``."""
        return self.write_kubeconfig(
            f"{namespace}.{account}", {"token": self.token(namespace, account, seconds=seconds)}
        )

    def write_kubeconfig(self, name: str, user: Object) -> Path:
        """Write a kubeconfig for the given credentials."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        return _write_private(self.directory / f"{name}.kubeconfig", json.dumps(config))

    def certificate_kubeconfig(self, name: str, pair: KeyPair) -> Path:
        """Write a kubeconfig for a client certificate."""
        return self.write_kubeconfig(name, {"client-certificate": str(pair.certificate), "client-key": str(pair.key)})

    def memory_bytes(self) -> dict[str, int]:
        """The resident memory of each program."""
        return self._programs.memory_bytes()

    def close(self) -> None:
        """Close the clients; the programs end with their keeper."""
        for api in self._apis:
            api.close()

    def _api_server_command(self) -> tuple[str, ...]:
        serving = self.authority.issue("kube-apiserver", addresses=(self.address, "127.0.0.1"))
        to_kubelet = self.authority.issue("kube-apiserver-kubelet-client", groups=("system:masters",))
        loopback = self.address.startswith("127.")
        return (
            str(program("kube-apiserver")),
            f"--etcd-servers={self._etcd}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            # A loopback address can be no endpoint of the service "kubernetes".
            *(["--endpoint-reconciler-type=none"] if loopback else [f"--advertise-address={self.address}"]),
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self.ca_file}",
            f"--kubelet-client-certificate={to_kubelet.certificate}",
            f"--kubelet-client-key={to_kubelet.key}",
            f"--kubelet-certificate-authority={self.ca_file}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--token-auth-file={self.directory}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--service-cluster-ip-range=10.96.0.0/24",
            f"--service-account-issuer={self.url}/",
            f"--service-account-key-file={self._service_key}.pub",
            f"--service-account-signing-key-file={self._service_key}",
            f"--default-not-ready-toleration-seconds={UNREACHABLE_SECONDS}",
            f"--default-unreachable-toleration-seconds={UNREACHABLE_SECONDS}",
            "--event-ttl=1h",
        )

    def _start_controllers(self) -> None:
        self._programs.start(
            "kube-controller-manager",
            str(program("kube-controller-manager")),
            f"--kubeconfig={self._component('kube-controller-manager')}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._service_key}",
            f"--root-ca-file={self.ca_file}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port('127.0.0.1')}",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--node-monitor-period=2s",
            "--node-monitor-grace-period=12s",
        )
        self._programs.start(
            "kube-scheduler",
            str(program("kube-scheduler")),
            f"--kubeconfig={self._component('kube-scheduler')}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port('127.0.0.1')}",
        )

    def _component(self, name: str) -> Path:
        return self.certificate_kubeconfig(name, self.authority.issue(f"system:{name}"))

    def _etcd_answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self._etcd}/health", trust_env=False).is_success
        return False

    def _is_ready(self) -> bool:
        with contextlib.suppress(ApiError, httpx.TransportError):
            return self.admin.request("GET", "/readyz").is_success
        return False

    def _has_default_account(self, namespace: str = "default") -> bool:
        with contextlib.suppress(ApiError):
            return bool(self.admin.read("ServiceAccount", "default", namespace))
        return False

    def _exists(self, kind: str, name: str) -> bool:
        with contextlib.suppress(ApiError):
            return bool(self.admin.read(kind, name))
        return False


@contextlib.contextmanager
def running_plane(address: str = "127.0.0.1") -> Iterator[Plane]:
    """A control plane whose API server listens on ``address``; all of it ends with the context.

    Raises:
        ProgramError: a part did not come up.
    """
    directory = Path(tempfile.mkdtemp(prefix="flowforge-plane-"))
    with Programs(directory) as programs:
        plane = Plane(programs, address)
        try:
            plane.start()
            yield plane
        finally:
            plane.close()


def free_port(address: str) -> int:
    """A port of ``address`` that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        port: int = listener.getsockname()[1]
        return port


def _service_account_key(directory: Path) -> Path:
    """The key that service account tokens are signed with; beside it, with ``.pub``, its public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (directory / "accounts.key.pub").write_bytes(public)
    return write_key(directory / "accounts.key", key)


def _write_private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
