"""What the simulator is told at its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DEFAULT_PERMISSIONS = {
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
}
DEFAULT_EVENTS = ("check_run", "issue_comment", "issues", "pull_request", "push")


@cache
def _private_key() -> str:
    """An RSA key for this process: making one takes a tenth of a second, and no test needs two."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return pem.decode("ascii")


@cache
def _public_key(private_key_pem: str) -> bytes:
    private = serialization.load_pem_private_key(private_key_pem.encode("ascii"), password=None)
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSpec:
    """The one GitHub App that the simulator knows: what ``app-manifest.yml`` describes, and its key.

    ``events`` are those it subscribes to; ``installation``, ``installation_repositories`` and ``ping`` always come.
    """

    id: int = 1_234_567
    slug: str = "flowforge"
    name: str = "FlowForge"
    client_id: str = "Iv23liSimulator00000"
    permissions: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_PERMISSIONS))
    events: tuple[str, ...] = DEFAULT_EVENTS
    private_key_pem: str = field(default_factory=_private_key, repr=False)

    def public_key_pem(self) -> bytes:
        """The public half, which checks the App's JWTs."""
        return _public_key(self.private_key_pem)
