"""The port to a forge's sign-in: it tells us who a person is, and nothing else."""

from typing import Protocol

from bot.model.forge import Actor, ForgeName


class SignIn(Protocol):
    """The OAuth authorization code flow of one forge, with PKCE (RFC 6749, RFC 7636)."""

    @property
    def forge(self) -> ForgeName:
        """Which forge."""
        ...

    def address(self, *, state: str, challenge: str, back: str) -> str:
        """Where the browser goes: the forge's page, which sends it to ``back`` with a code and the ``state``.

        ``challenge`` is the SHA-256 of the verifier that ``person`` will be given, as base64url without padding.
        """
        ...

    async def person(self, *, code: str, verifier: str, back: str) -> Actor:
        """Who signed in. What the forge gave us to ask that is thrown away before this returns.

        Raises:
            ForgeRefusedError: the code is none, was used, is too old, or belongs to another sign-in.
            ForgeUnavailableError: no answer came, or none as documented.
        """
        ...
