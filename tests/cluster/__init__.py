"""Tests on a real Kubernetes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, containerd.

Fixtures (``conftest.py``), each started at most once a session:

* ``plane``: a control plane without a node, on a loopback port. Root is not needed. Pods stay pending, unless a test
  writes their ``status`` itself.

See ``plane.Plane`` and ``api.Api`` for what they do: ``plane.namespace(name)``, ``plane.kubeconfig(namespace,
account)``, ``plane.admin.apply(object, ...)``, ``plane.stop_api_server()``, ``api.until(look, what, seconds=...)``.
"""
