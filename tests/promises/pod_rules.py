"""What a run's pod must be like: every way in which one is not sealed has a name, for whoever changes the builder."""

from collections.abc import Callable, Iterator
from typing import Any

from runners.sandbox import TASK_DIR, USER_ID

Pod = dict[str, Any]

_OF_THE_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
_MOUNTS = {TASK_DIR, "/tmp"}
_RUNTIME = "runtimeClassName"


def faults(pod: Pod, *, runtime_class: str | None = None) -> list[str]:
    """Everything that makes a pod's ``spec`` less than a sealed sandbox; ``runtime_class`` is what was asked for."""
    found = [name for name, is_wrong in _RULES.items() if is_wrong(pod)]
    found += [
        f"{name} of {one.get('name')}" for one in _containers(pod) for name, wrong in _INSIDE.items() if wrong(one)
    ]
    return found + ([_RUNTIME] if pod.get(_RUNTIME) != runtime_class else [])


def _containers(pod: Pod) -> Iterator[Pod]:
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        yield from pod.get(kind, ())


def _security(one: Pod) -> Pod:
    found: Pod = one.get("securityContext", {})
    return found


_RULES: dict[str, Callable[[Pod], bool]] = {
    **{name: (lambda pod, name=name: bool(pod.get(name))) for name in _OF_THE_HOST},  # type: ignore[misc]
    "one container": lambda pod: len(list(_containers(pod))) != 1,
    "an account's token": lambda pod: pod.get("automountServiceAccountToken") is not False,
    "service links": lambda pod: pod.get("enableServiceLinks") is not False,
    "name service": lambda pod: (
        (pod.get("dnsPolicy"), pod.get("dnsConfig")) != ("None", {"nameservers": ["127.0.0.1"]})
    ),
    "restarts": lambda pod: pod.get("restartPolicy") != "Never",
    "root": lambda pod: _security(pod).get("runAsNonRoot") is not True or _security(pod).get("runAsUser") != USER_ID,
    "seccomp": lambda pod: _security(pod).get("seccompProfile") != {"type": "RuntimeDefault"},
    "sysctls": lambda pod: bool(_security(pod).get("sysctls")),
    "volumes": lambda pod: (
        not all(
            volume.keys() == {"name", "emptyDir"} and volume["emptyDir"].keys() == {"sizeLimit"}
            for volume in pod["volumes"]
        )
    ),
}
"""What must not be said of a whole pod, each with a test that is true where it may be said."""

_INSIDE: dict[str, Callable[[Pod], bool]] = {
    "privileged": lambda one: _security(one).get("privileged", False) is not False,
    "escalation": lambda one: _security(one).get("allowPrivilegeEscalation") is not False,
    "a writable root": lambda one: _security(one).get("readOnlyRootFilesystem") is not True,
    "capabilities": lambda one: _security(one).get("capabilities") != {"drop": ["ALL"]},
    "another user": lambda one: "runAsUser" in _security(one) or "runAsNonRoot" in _security(one),
    "another profile": lambda one: "seccompProfile" in _security(one) or "procMount" in _security(one),
    "a variable from elsewhere": lambda one: (
        "envFrom" in one or any("valueFrom" in each for each in one.get("env", ()))
    ),
    "ports": lambda one: bool(one.get("ports")),
    "a command": lambda one: "command" in one or "args" in one or "lifecycle" in one,
    "mounts": lambda one: (
        {mount["mountPath"] for mount in one.get("volumeMounts", ())} != _MOUNTS
        or any(mount.keys() != {"name", "mountPath"} for mount in one["volumeMounts"])
        or "volumeDevices" in one
    ),
    "limits": lambda one: not {"cpu", "memory", "ephemeral-storage"} <= set(one["resources"]["limits"]),
}
"""The same of a container."""
