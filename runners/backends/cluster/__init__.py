"""Runs as Kubernetes Jobs. Importing this takes half a second: only who runs in a cluster does."""

from runners.backends.cluster.runner import ClusterRunner

__all__ = ["ClusterRunner"]
