"""The node of the tests is a real one: pods run, are limited, and reach what a policy lets them reach."""

import contextlib
import os
import platform
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import images
from tests.cluster.api import Object, until
from tests.cluster.node import GVISOR, Cluster
from tests.cluster.test_plane import SHUT, job, processes_with

POLICY_API = "networking.k8s.io/v1"


def busybox(name: str, namespace: str, script: str, **container: Any) -> Object:
    """A restricted Job that runs a script."""
    return job(name, namespace, image=images.BUSYBOX, args=["-c", script], securityContext=SHUT, **container)


def ended_pod(cluster: Cluster, namespace: str, name: str, *, seconds: float = 60.0) -> Object:
    """The pod of a Job, when it has ended."""

    def look() -> Object | None:
        pods = cluster.plane.admin.items("Pod", namespace, labels=f"batch.kubernetes.io/job-name={name}")
        return next((pod for pod in pods if pod["status"]["phase"] in {"Succeeded", "Failed"}), None)

    pod = until(look, f"the end of {name}", seconds=seconds)
    assert pod is not None
    return pod


def said(cluster: Cluster, pod: Object) -> str:
    """What a pod wrote."""
    return cluster.plane.admin.logs(pod["metadata"]["name"], pod["metadata"]["namespace"])


def test_a_restricted_job_runs_to_its_end_and_its_log_is_read(cluster: Cluster, cluster_namespace: str) -> None:
    cluster.plane.admin.create(busybox("good", cluster_namespace, "id -u; cat /proc/self/status; echo x > /bin/x"))

    pod = ended_pod(cluster, cluster_namespace, "good")

    log = said(cluster, pod)
    assert log.startswith("1000\n")
    assert {"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} <= set(log.splitlines())
    assert "can't create /bin/x" in log
    until(
        lambda: cluster.plane.admin.read("Job", "good", cluster_namespace)["status"].get("failed") == 1,
        "the Job's own end",
    )


def test_too_much_memory_ends_with_137_and_its_reason(cluster: Cluster, cluster_namespace: str) -> None:
    limits = {"limits": {"memory": "32Mi"}}
    script = "echo begun; tail /dev/zero"  # keeps a line without end in memory
    cluster.plane.admin.create(busybox("hungry", cluster_namespace, script, resources=limits))

    pod = ended_pod(cluster, cluster_namespace, "hungry")

    (container,) = pod["status"]["containerStatuses"]
    ended = container["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert said(cluster, pod) == "begun\n"


def test_an_image_that_is_not_there_keeps_the_pod_waiting(cluster: Cluster, cluster_namespace: str) -> None:
    cluster.plane.admin.create(job("lost", cluster_namespace, securityContext=SHUT))

    def reason() -> str | None:
        for pod in cluster.plane.admin.items("Pod", cluster_namespace):
            for container in pod["status"].get("containerStatuses", []):
                found: str | None = container["state"].get("waiting", {}).get("reason")
                return found
        return None

    until(lambda: reason() == "ErrImageNeverPull", "the reason")


def test_a_fork_bomb_ends_at_the_limit_of_processes(cluster: Cluster, cluster_namespace: str) -> None:
    script = "i=0; while [ $i -lt 700 ]; do sleep 20 & i=$((i+1)); done; echo no limit"
    cluster.plane.admin.create(busybox("bomb", cluster_namespace, script))

    log = said(cluster, ended_pod(cluster, cluster_namespace, "bomb"))

    assert "can't fork: Resource temporarily unavailable" in log
    assert "no limit" not in log


@contextlib.contextmanager
def listeners(address: str, *ports: int) -> Iterator[list[int]]:
    """Listeners that greet whoever comes; port 0 stands for any. Yields the ports."""
    servers = [socketserver.ThreadingTCPServer((address, port), Greeter) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield [server.server_address[1] for server in servers]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request: socket.socket
        self.request.sendall(b"hello\n")


def reaching(gateway: str, *others: str) -> str:
    """A script that says which targets it can connect to: the gateway first, then all others at the same time.

    Once the gateway is reached, the network plugin has taken note of the pod, and its policies hold.
    """
    tries = [f"(nc -w 5 {target} </dev/null >/dev/null 2>&1 && echo reached {target}) &" for target in others]
    return " ".join([f"nc -w 30 {gateway} </dev/null >/dev/null && echo reached {gateway};", *tries, "wait"])


def shut_policies(namespace: str, address: str, port: int) -> list[Object]:
    """Nothing in or out, but for one port of one address."""
    about = {"namespace": namespace}
    gate = {"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"protocol": "TCP", "port": port}]}
    return [
        {
            "apiVersion": POLICY_API,
            "kind": "NetworkPolicy",
            "metadata": {"name": "deny", **about},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
        {
            "apiVersion": POLICY_API,
            "kind": "NetworkPolicy",
            "metadata": {"name": "gate", **about},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [gate]},
        },
    ]


def running_address(cluster: Cluster, namespace: str) -> str:
    """The address of the pod that runs in a namespace; empty as long as none does."""
    pods = cluster.plane.admin.items("Pod", namespace, fields="status.phase=Running")
    return next((pod["status"].get("podIP", "") for pod in pods), "")


@pytest.fixture
def neighbour(cluster: Cluster) -> Iterator[str]:
    """The address of a pod in another namespace that answers on port 7000."""
    namespace = cluster.plane.namespace(f"neighbour-{secrets.token_hex(4)}")
    cluster.plane.admin.create(busybox("answer", namespace, "while true; do echo hello | nc -l -p 7000; done"))

    yield until(lambda: running_address(cluster, namespace), "the neighbour's address")
    cluster.plane.admin.remove("Namespace", namespace)


def test_a_policy_leaves_one_port_of_one_address_and_nothing_else(
    cluster: Cluster, cluster_namespace: str, neighbour: str
) -> None:
    network = cluster.node.network
    with listeners(network.host, 0, 0, 53, 80) as (gateway, other, *_):
        allowed = f"{network.host} {gateway}"
        forbidden = [
            f"{network.host} {other}",
            f"{network.host} {cluster.plane.port}",  # the API server
            f"{network.node} 10250",  # the kubelet
            f"{neighbour} 7000",
            "169.254.169.254 80",  # where clouds keep credentials
            "192.0.2.53 53",  # a name server
        ]
        script = reaching(allowed, *forbidden)
        open_namespace = cluster.plane.namespace(f"{cluster_namespace}-open")
        cluster.plane.admin.create(busybox("open", open_namespace, script))
        cluster.plane.admin.apply(*shut_policies(cluster_namespace, network.host, gateway))
        cluster.plane.admin.create(busybox("shut", cluster_namespace, script))

        shut = said(cluster, ended_pod(cluster, cluster_namespace, "shut"))
        opened = said(cluster, ended_pod(cluster, open_namespace, "open"))

    assert shut.splitlines() == [f"reached {allowed}"]
    assert sorted(opened.splitlines()) == sorted(f"reached {target}" for target in [allowed, *forbidden])
    cluster.plane.admin.remove("Namespace", open_namespace)


def test_a_policy_lets_nobody_in(cluster: Cluster, cluster_namespace: str, neighbour: str) -> None:
    host = cluster.node.network.host
    with listeners(host, 0) as (gateway,):
        cluster.plane.admin.apply(*shut_policies(cluster_namespace, host, gateway))
        answer = f"nc -w 30 {host} {gateway} </dev/null; while true; do echo hello | nc -l -p 7000; done"
        cluster.plane.admin.create(busybox("shut", cluster_namespace, answer))
        shut = until(lambda: running_address(cluster, cluster_namespace), "the address of a pod that is shut")
        pod = cluster.plane.admin.items("Pod", cluster_namespace)[0]
        until(lambda: said(cluster, pod), "the pod to have reached the gateway: its policies hold")
        open_namespace = cluster.plane.namespace(f"{cluster_namespace}-asks")
        script = reaching(f"{host} {gateway}", f"{neighbour} 7000", f"{shut} 7000")
        cluster.plane.admin.create(busybox("asks", open_namespace, script))

        log = said(cluster, ended_pod(cluster, open_namespace, "asks"))

    assert log.splitlines() == [f"reached {host} {gateway}", f"reached {neighbour} 7000"]
    cluster.plane.admin.remove("Namespace", open_namespace)


def test_a_pod_of_the_runtime_class_has_gvisor_as_its_kernel(cluster: Cluster, cluster_namespace: str) -> None:
    host = cluster.node.network.host
    with listeners(host, 0, 0) as (gateway, other):
        script = f"cat /proc/version; id -u; {reaching(f'{host} {gateway}', f'{host} {other}')}"
        new = busybox("sealed", cluster_namespace, script)
        new["spec"]["template"]["spec"]["runtimeClassName"] = GVISOR
        cluster.plane.admin.apply(*shut_policies(cluster_namespace, host, gateway))
        cluster.plane.admin.create(new)

        kernel, *others = said(cluster, ended_pod(cluster, cluster_namespace, "sealed")).splitlines()

    assert kernel.startswith("Linux version 4.4.0 ")  # what gVisor says, whatever the machine has
    assert not platform.release().startswith("4.4.0")
    assert others == ["1000", f"reached {host} {gateway}"]


def test_names_are_not_resolved_in_a_pod_without_dns(cluster: Cluster, cluster_namespace: str) -> None:
    new = busybox("nameless", cluster_namespace, "nslookup kubernetes.default 2>&1 || echo no name; cat /etc/hosts")
    new["spec"]["template"]["spec"] |= {
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "hostAliases": [{"ip": cluster.node.network.host, "hostnames": ["gateway.flowforge"]}],
    }
    cluster.plane.admin.create(new)

    log = said(cluster, ended_pod(cluster, cluster_namespace, "nameless"))

    assert "no name" in log
    assert f"{cluster.node.network.host}\tgateway.flowforge" in log


def test_a_lost_node_is_seen_and_comes_back(cluster: Cluster) -> None:
    cluster.node.stop_kubelet()
    until(lambda: not cluster.node.is_ready(), "the node to be unknown", seconds=60)

    cluster.node.start_kubelet()

    assert cluster.node.is_ready()


KILLED = """
import sys
from tests.cluster import test_node
from tests.cluster.node import running_cluster
with running_cluster() as cluster:
    namespace = cluster.plane.namespace("left")
    api = cluster.plane.admin
    api.create(test_node.busybox("sleeps", namespace, "sleep 600"))
    test_node.until(lambda: api.items("Pod", namespace, fields="status.phase=Running"), "a pod", seconds=60)
    print(cluster.plane.directory, cluster.node.directory, cluster.node.network.interface, flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_of_a_cluster_whose_test_was_killed() -> None:
    interfaces = Path("/sys/class/net")
    kept = host_settings()
    test = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with test:
        assert test.stdout is not None
        plane, node, interface = test.stdout.readline().split()
        assert processes_with(plane)
        assert processes_with(node)
        assert cgroups_of(node)
        assert (interfaces / interface).exists()
        assert host_settings() == kept

        os.kill(test.pid, signal.SIGKILL)

        until(lambda: not Path(node).exists() and not Path(plane).exists(), "the end of the files")
        until(lambda: not processes_with(node) and not processes_with(plane), "the end of the programs")
        until(lambda: not (interfaces / interface).exists(), "the end of the network")
        assert cgroups_of(node) == []
        assert host_settings() == kept


def cgroups_of(directory: str) -> list[Path]:
    """The control groups of a node's pods, in all hierarchies."""
    name = Path(directory).name
    return [group for group in Path("/sys/fs/cgroup").glob("**/") if group.name == name]


def host_settings() -> list[str]:
    """What a node changes where it is not kept from it: kernel settings, the firewall, mounts and directories."""
    settings = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"]
    firewall = subprocess.run(["/usr/sbin/iptables-save"], capture_output=True, text=True, check=True).stdout
    places = [Path("/run/containerd"), Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/var/lib/containerd")]
    return [
        *[Path("/proc/sys", setting).read_text(encoding="ascii") for setting in settings],
        *[line for line in firewall.splitlines() if "KUBE-" in line or "10.201." in line],
        *[str(place) for place in places if place.exists()],
        *[line for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines() if "flowforge-node" in line],
    ]
