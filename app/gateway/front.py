"""All that a sandbox can reach, on one port: the model API, and the two endpoints of the run itself."""

from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

_RUNS: Final = b"/runs/"


def sandbox_service(*, gateway: ASGIApp, runs: ASGIApp) -> ASGIApp:
    """One ASGI application: what begins with ``/runs/`` as it came over the wire is the run's, the rest the model's."""

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        mine = str(scope["type"]) == "http" and scope["raw_path"].startswith(_RUNS)
        await (runs if mine else gateway)(scope, receive, send)

    return front
