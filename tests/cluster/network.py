"""The network of a test node: of its own, so that nothing on this machine's is changed but one interface."""

import subprocess
from dataclasses import dataclass
from typing import Final

import psutil

from tests.cluster.held import ProgramError, Programs

_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Network:
    """Where host, node and pods are.

    Pods reach the host at ``host``, the node at ``node`` and at ``bridge``. The host plays the world outside, too: what
    pods send to any address beyond ``everything`` reaches the same port of ``host``. Nothing leaves this machine.

    Attributes:
        index: tells apart the test clusters that run on this machine at the same time.
    """

    index: int

    @property
    def interface(self) -> str:
        """The interface on the host."""
        return f"fftest{self.index}"

    @property
    def host(self) -> str:
        """The host's address: listeners of a test that pods are to see (or not to see) bind to it."""
        return f"10.201.{2 * self.index}.1"

    @property
    def node(self) -> str:
        """The node's address, where its kubelet listens."""
        return f"10.201.{2 * self.index}.2"

    @property
    def bridge(self) -> str:
        """The node's address on the pods' own network, their gateway."""
        return f"10.201.{2 * self.index + 1}.1"

    @property
    def pods(self) -> str:
        """The pods' network."""
        return f"10.201.{2 * self.index + 1}.0/24"

    @property
    def everything(self) -> str:
        """All addresses of test clusters."""
        return "10.201.0.0/16"


def connect(programs: Programs) -> Network:
    """Connect the keeper's network namespace with the host; the connection goes with the namespace.

    Raises:
        ProgramError: no interface can be made, or too many test clusters run here.
    """
    programs.run("true")  # only now are the namespaces there
    (keeper,) = psutil.Process(programs.pid).children()
    network = _claim(keeper.pid)
    _ip("address", "add", f"{network.host}/24", "dev", network.interface)
    _ip("link", "set", network.interface, "up")
    programs.run("ip", "link", "set", "lo", "up")
    programs.run("ip", "address", "add", f"{network.node}/24", "dev", "eth0")
    programs.run("ip", "link", "set", "eth0", "up")
    programs.run("ip", "route", "add", "default", "via", network.host)
    _ip("route", "add", network.pods, "via", network.node)
    outside = ["--source", network.pods, "!", "--destination", network.everything, "--jump", "DNAT"]
    programs.run("iptables", "--table", "nat", "--append", "PREROUTING", *outside, "--to-destination", network.host)
    programs.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    return network


def _claim(pid: int) -> Network:
    """Making an interface either succeeds or finds its name taken: so two test clusters never share a network."""
    for index in range(_MOST):
        network = Network(index)
        try:
            _ip("link", "add", network.interface, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        except ProgramError as error:
            if "File exists" not in str(error):
                raise
        else:
            return network
    raise ProgramError(f"{_MOST} test clusters run on this machine")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["/usr/sbin/ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProgramError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
