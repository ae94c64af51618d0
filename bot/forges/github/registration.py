"""Registering the App: GitHub hands its secrets out once, for a code that it gave to a person's browser.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Final

import httpx
import msgspec

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.github.gate import Gate
from bot.forges.github.transport import NOBODY, Transport
from bot.forges.meter import NoMeter
from bot.ports.system import Clock

DOT_COM: Final = "https://github.com"
"""Where people meet GitHub; any other address is an Enterprise Server's."""

_CODE: Final = re.compile(r"[A-Za-z0-9_-]{8,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An App that GitHub has just made.

    Attributes:
        id: the App's numeric id.
        slug: its name in addresses; the bot's user is ``<slug>[bot]``.
        page: its page on GitHub.
        private_key: its key, PEM.
        client_id: the name of the client by which people sign in.
        webhook_secret: what its deliveries are signed with.
        client_secret: the secret of that client.
    """

    id: int
    slug: str
    page: str
    client_id: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    client_secret: str = field(repr=False)


class _Converted(msgspec.Struct, frozen=True):
    """https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest ."""

    id: int
    slug: str
    html_url: str
    client_id: str
    client_secret: str
    pem: str
    webhook_secret: str

    def __repr__(self) -> str:
        return f"_Converted(id={self.id}, slug={self.slug!r}, <secrets hidden>)"


def api_url(host: str) -> str:
    """Where the REST API of the GitHub at ``host`` is: under its own address on an Enterprise Server.

    https://docs.github.com/en/enterprise-server@3.20/rest/using-the-rest-api/getting-started-with-the-rest-api
    """
    return "https://api.github.com" if host == DOT_COM else f"{host}/api/v3"


async def register(http: httpx.AsyncClient, *, base_url: str, code: str, clock: Clock) -> Registration:
    """Exchange the code for the App's secrets. It is asked once: GitHub takes a code once, too.

    Raises:
        ForgeNotFoundError: GitHub does not know the code, or not any more: it is worth something for an hour, once.
        ForgeRefusedError: GitHub says no.
        ForgeUnavailableError: no answer came, or none that can be used. It is open whether the code is used up.
        SettingsError: the base URL will not do.
    """
    if not _CODE.fullmatch(code):
        raise ForgeNotFoundError("what came back is no code of GitHub's")
    meter = NoMeter()
    gate = Gate(clock=clock, monotonic=time.monotonic, sleep=asyncio.sleep, processes=1, meter=meter)
    transport = Transport(http, base_url=base_url, gate=gate, clock=clock, sleep=asyncio.sleep, meter=meter)
    try:
        answer = await transport.call(
            NOBODY, "POST", "/app-manifests/{code}/conversions", {"code": code}, idempotent=False
        )
        made = msgspec.convert(answer.data, _Converted)
    except msgspec.ValidationError:
        raise ForgeUnavailableError("GitHub's answer does not hold an App's secrets as documented") from None
    except ForgeError as error:
        # The errors of the transport name the path, and the code is in it.
        raise _without_path(error) from None
    return Registration(
        id=made.id,
        slug=made.slug,
        page=made.html_url,
        client_id=made.client_id,
        private_key=made.pem,
        webhook_secret=made.webhook_secret,
        client_secret=made.client_secret,
    )


def _without_path(error: ForgeError) -> ForgeError:
    match error:
        case ForgeNotFoundError():
            return ForgeNotFoundError("GitHub does not know the code: it was used before, or is older than an hour")
        case ForgeRefusedError():
            return ForgeRefusedError(f"GitHub refused the code with status {error.status}", status=error.status)
        case _:
            return ForgeUnavailableError("GitHub did not answer in time, or not as documented")
