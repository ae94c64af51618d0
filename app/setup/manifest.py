"""The App's manifest for one service, made from ``app-manifest.yml``."""

import ipaddress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bot.config_yaml import read_yaml
from bot.errors import SettingsError
from bot.model.forge import ForgeName

_FILE: Final = "app-manifest.yml"
_PLACES: Final = (Path(__file__).parents[1] / _FILE, Path(__file__).parents[2] / _FILE)
"""In an installed package, and in a clone."""

_MOST_NAME: Final = 34
"""https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/registering-a-github-app"""


def manifest(*, service: str, back: str, forge: ForgeName, name: str | None = None) -> dict[str, Any]:
    """What GitHub is told of the App.

    Args:
        service: the address at which GitHub reaches the web service.
        forge: the name that the App's GitHub gets with us: its deliveries go to an address of its own.
        back: where GitHub sends the person's browser with the code.
        name: the App's name, in place of the usual one; they are unique on a GitHub.

    Raises:
        SettingsError: the name is too long.
    """
    if name is not None and not 1 <= len(name) <= _MOST_NAME:
        raise SettingsError(f"the App's name may have {_MOST_NAME} characters")
    file = next(place for place in _PLACES if place.is_file())
    told: dict[str, Any] = read_yaml(file.read_bytes(), file=_FILE).data
    hook = {**told["hook_attributes"], "url": f"{service}/webhooks/{forge}"}
    return {
        **told,
        "name": name or told["name"],
        "url": service,
        "hook_attributes": hook,
        "redirect_url": back,
        "callback_urls": [f"{service}/sign-in/{forge}"],
    }


def check_address(url: str, *, what: str) -> str:
    """An address of a service or of a GitHub, without a slash at the end.

    Raises:
        SettingsError: it is none, or not https; http will do on the loopback interface.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        raise SettingsError(f"{what} is not an address") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise SettingsError(f"{what} must begin with https:// (http:// only on the loopback interface)")
    plain = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    if not plain or not parts.hostname or not parts.netloc.isascii() or any(sign in url for sign in " ;,'\"<>"):
        raise SettingsError(f"{what} must be a scheme and a host, such as https://flowforge.example.com")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
