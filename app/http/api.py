"""What programs may ask: so far, which commands there are."""

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from bot.commands import commands_as_json


def api_endpoints() -> list[HTTPRouteHandler]:
    """``GET /api/commands``: the command table, from which also the parser, the help and the pages are made."""

    @get("/api/commands", sync_to_thread=False)
    def commands() -> dict[str, Any]:
        return commands_as_json()

    return [commands]
