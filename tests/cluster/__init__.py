"""Tests on a real Kubernetes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, containerd.

Fixtures (``conftest.py``), each started at most once a session:

* ``plane`` (``plane.Plane``): a control plane without a node, on a loopback port. Root is not needed. Pods stay
  pending, unless a test writes their ``status`` itself: ``plane.admin.merge("Pod", name, namespace, {"status": {...}},
  subresource="status")``.
* ``cluster`` (``node.Cluster``): ``cluster.plane``, another control plane, and ``cluster.node``, a node where pods run.
  Needs root. NetworkPolicies are enforced by kube-router.
* ``plane_namespace`` and ``cluster_namespace``: the name of a fresh namespace with Pod Security *restricted*.

A test that takes things down starts its own with ``running_plane()`` or ``running_cluster()``; that takes 4 to 6 s.

The plane::

    plane.url, plane.ca_file, plane.admin_kubeconfig, plane.admin          # the API as administrator: api.Api
    plane.namespace(name); plane.remove_namespace(name)                     # the latter waits until all is gone
    plane.kubeconfig(namespace, account)                                    # a path; its context is called "test"
    plane.api(plane.token(namespace, account))                              # the API as that service account
    plane.admin.apply(obj, ..., dry_run=False); .create(obj); .read(kind, name, namespace); .items(kind, namespace,
        labels=, fields=); .remove(kind, name, namespace); .logs(pod, namespace); .events(namespace, about)
    plane.stop_api_server(); plane.start_api_server()
    api.until(look, "what is waited for", seconds=30)

The node::

    node.network.host         # the host's address: what pods are to reach (the gateway), or are not to, binds to it
    node.network.node, .bridge, .pods             # other addresses; the kubelet's port is 10250
    node.import_image(tar) -> seconds             # docker-archive or oci-archive
    node.GVISOR                                   # the RuntimeClass whose pods gVisor runs, with its own shim
    images.BUSYBOX                                # is there already: sh, nc, wget, nslookup, ...
    node.directory                                # with the logs: containerd.log, kubelet.log, kube-router.log
    node.stop_kubelet(); node.start_kubelet()     # the node is lost to the cluster; its pods run on
    node.run(program, ...); node.ctr(...)         # programs in the node's namespaces

The API server listens on ``node.network.host`` too, so a pod without a policy reaches it. What pods send to the world
outside (Internet, DNS, metadata address) reaches the same port of ``node.network.host``: a listener there plays it.
Until kube-router has taken note of a new pod, what the pod sends is dropped, and TCP sends it again: a pod's first
connection takes 1.0 s. Only pods in namespaces without any policy can be reached by it already. So a pod that is to
show what it cannot reach connects to what it may reach first.
"""
