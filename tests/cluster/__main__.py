"""``python -m tests.cluster COMMAND …``: run a command beside a real cluster of one node, which goes with it.

The command finds the cluster by ``KUBECONFIG`` (its context is called ``test``), the guest image, which the node has,
by ``FLOWFORGE_RUN_IMAGE``, and the address at which pods reach this machine by ``FLOWFORGE_DEMO_GATEWAY_HOST``.
"""

import os
import subprocess
import sys

from runners.image.build import build_offline
from tests.cluster.node import node_obstacle, running_cluster
from tests.cluster.plane import plane_obstacle


def main(command: list[str]) -> int:
    """Run it; its exit status, or 1 with a sentence where no cluster can run."""
    if obstacle := plane_obstacle() or node_obstacle():
        print(f"No cluster can run on this machine: {obstacle}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    built = build_offline()
    with running_cluster() as cluster:
        cluster.node.import_image(built.archive)
        told = {
            "KUBECONFIG": str(cluster.plane.admin_kubeconfig),
            "FLOWFORGE_RUN_IMAGE": built.reference,
            "FLOWFORGE_DEMO_GATEWAY_HOST": cluster.node.network.host,
        }
        return subprocess.run(command, env={**os.environ, **told}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
