"""The connections to GitLab: where they may go, and how long they may take."""

import ipaddress
import threading
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from bot.errors import SettingsError

TIMEOUT: Final = (10.0, 30.0)
"""Seconds to connect, and between two pieces of an answer."""

CONNECTIONS: Final = 16
"""At the same time: each is a thread that waits."""


class _Bearer(requests.auth.AuthBase):
    """Each thread's own token. Its mere presence keeps ``requests`` from looking for one in a ``.netrc``."""

    def __init__(self) -> None:
        self.known = threading.local()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token: str | None = getattr(self.known, "token", None)
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


class Session(requests.Session):
    """``requests`` as python-gitlab uses it, without what would carry the token elsewhere.

    Redirects are answers like any other, since they may lead anywhere. Cookies are not kept. Nothing is repeated here.
    """

    def __init__(self, base_url: str) -> None:
        """Talk to ``base_url``. Proxies of the environment are used as far as it is not on this machine."""
        super().__init__()
        self.trust_env = not is_loopback(urlsplit(base_url).hostname)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS, max_retries=0)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self._answers = threading.local()
        self._speaker = _Bearer()
        self.auth = self._speaker

    def speak_as(self, token: str) -> None:
        """Send this token along with what this thread asks from now on."""
        self._speaker.known.token = token

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Make one exchange; what came is remembered for this thread."""
        kwargs["allow_redirects"] = False
        kwargs["timeout"] = TIMEOUT
        self._answers.headers = {}
        answer = super().request(*args, **kwargs)
        self._answers.headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer

    @property
    def answered(self) -> Mapping[str, str]:
        """The headers of this thread's last answer, by lower-case names: python-gitlab's errors do not carry them."""
        headers: Mapping[str, str] = getattr(self._answers, "headers", {})
        return headers


def check_base_url(url: str) -> str:
    """The address of a GitLab without a trailing slash.

    Raises:
        SettingsError: it is no plain https URL; http will do for the loopback interface only.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        raise SettingsError("GitLab's base URL is not a URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise SettingsError("GitLab's base URL must begin with https:// (http:// only on the loopback interface)")
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("GitLab's base URL must be a host and a path, without user, query or fragment")
    return url.rstrip("/")


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
