"""Registering an App from a manifest: GitHub's page in a browser, and the exchange of its code for the App's secrets.

Source: https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest .
"""

import json
import re
import secrets
from html import escape
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.demo.simulator import render
from app.demo.simulator.messages import Refusal, Request, Response, json_response, not_found
from app.demo.simulator.people import People
from app.demo.simulator.routes import Anyone, Call, Route
from app.demo.simulator.settings import AppSpec
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import AccountKind

_WANTED: Final = ("name", "url", "hook_attributes", "redirect_url", "default_permissions", "default_events")


async def confirm_page(site: GitHubSite, call: Call) -> Response:
    """``POST /settings/apps/new``: the page on which a person confirms, or changes the name.

    GitHub's own page looks otherwise; what counts is that it takes ``manifest`` and ``state``, and one more press.
    """
    del site
    manifest = _manifest(call.request)
    fields = {"manifest": json.dumps(manifest), "state": call.request.query.get("state", "")}
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in fields.items())
    page = (
        '<!doctype html><html lang="en"><title>Create GitHub App</title><form method="post" action="/settings/apps">'
        f'{hidden}<input name="name" value="{escape(manifest["name"])}"><button>Create GitHub App</button></form>'
    )
    return Response(headers={"content-type": "text/html; charset=utf-8"}, body=page.encode())


async def create(site: GitHubSite, call: Call) -> Response:
    """The press of that page's button: the browser goes back with a code and the state."""
    form = _form(call.request)
    manifest = _manifest(call.request)
    name = form.get("name") or manifest["name"]
    code = secrets.token_hex(20)
    site.pending_apps[code] = {**manifest, "name": name}
    back = manifest["redirect_url"]
    query = urlencode({"code": code, **({"state": form["state"]} if form.get("state") else {})})
    return Response(status=302, headers={"location": f"{back}?{query}"})


async def convert(site: GitHubSite, call: Call) -> Response:
    """``POST /app-manifests/{code}/conversions``: once. The simulator's App is this one from then on.

    Source: https://docs.github.com/rest/apps/apps#create-a-github-app-from-a-manifest .
    """
    manifest = site.pending_apps.pop(call.params["code"], None)
    if manifest is None:
        raise not_found()
    slug = re.sub("[^a-z0-9]+", "-", str(manifest["name"]).casefold()).strip("-")
    app = AppSpec(
        id=site.world.new_id(),
        slug=slug,
        name=manifest["name"],
        permissions=dict(manifest["default_permissions"]),
        events=tuple(manifest["default_events"]),
        private_key_pem=_new_key(),
    )
    site.world.app = app
    site.world.bot_login = f"{slug}[bot]"
    People(site).account(site.world.bot_login, kind=AccountKind.BOT)
    site.webhooks.secret = secrets.token_hex(20)
    site.webhooks.url = manifest["hook_attributes"]["url"]
    back = [url for url in manifest.get("callback_urls", []) if isinstance(url, str)]
    client = site.oauth.register(app.client_id, back=back[0] if back else "")
    made = render.app(site.world) | {
        "client_secret": client.secret,
        "webhook_secret": site.webhooks.secret,
        "pem": app.private_key_pem,
    }
    return json_response(made, status=201)


def _form(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def _manifest(request: Request) -> dict[str, Any]:
    """The manifest of a form. Raises ``Refusal`` 422 for one that GitHub would not take."""
    try:
        manifest = json.loads(_form(request)["manifest"])
    except (KeyError, ValueError):
        raise Refusal(422, "Invalid GitHub App configuration") from None
    if not isinstance(manifest, dict) or any(name not in manifest for name in _WANTED):
        raise Refusal(422, "Invalid GitHub App configuration")
    for url in (manifest["url"], manifest["redirect_url"], manifest["hook_attributes"].get("url", "")):
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
            raise Refusal(422, "Url must be a valid URL")
    return manifest


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode("ascii")


ROUTES = (
    Route("POST", "/settings/apps/new", Anyone(), confirm_page),
    Route("POST", "/organizations/{organization}/settings/apps/new", Anyone(), confirm_page),
    Route("POST", "/settings/apps", Anyone(), create),
    Route("POST", "/app-manifests/{code}/conversions", Anyone(), convert),
)
