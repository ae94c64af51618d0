"""Signing in with GitHub by an App's client.

Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app .
"""

import base64
import binascii

from app.demo.simulator import render
from app.demo.simulator.app_auth import UserPrincipal
from app.demo.simulator.messages import Refusal, Response, json_response
from app.demo.simulator.oauth import OAuthError
from app.demo.simulator.routes import Anyone, Call, Route
from app.demo.simulator.site import GitHubSite

_WORDS = {"invalid_grant": "bad_verification_code", "invalid_client": "incorrect_client_credentials"}


async def authorize(site: GitHubSite, call: Call) -> Response:
    """``GET /login/oauth/authorize``."""
    return site.oauth.authorize(call.request)


async def exchange(site: GitHubSite, call: Call) -> Response:
    """``POST /login/oauth/access_token``: also what is refused is answered with 200."""
    try:
        account = site.oauth.exchange(call.request)
    except OAuthError as error:
        return json_response({"error": _WORDS[error.name], "error_description": "The code or the client is wrong."})
    token = site.credentials.sign_in_token(account)
    return json_response({"access_token": token, "token_type": "bearer", "scope": ""})


async def get_own_user(site: GitHubSite, call: Call) -> Response:
    """``GET /user``. Source: https://docs.github.com/rest/users/users#get-the-authenticated-user ."""
    if not isinstance(call.principal, UserPrincipal):
        raise Refusal(401, "Requires authentication")
    return json_response(render.public_user(site.world, call.principal.account))


async def forget_token(site: GitHubSite, call: Call) -> Response:
    """``DELETE /applications/{client_id}/token``, by the client itself.

    Source: https://docs.github.com/rest/apps/oauth-applications#delete-an-app-token .
    """
    if not _is_client(site, call.request.headers.get("authorization")):
        raise Refusal(401, "Bad credentials")
    token = call.request.json().get("access_token")
    if not isinstance(token, str) or not site.credentials.forget(token):
        raise Refusal(422, "Validation Failed")
    return Response(status=204)


def _is_client(site: GitHubSite, authorization: str | None) -> bool:
    """Whether a Basic header is that of a client with its secret."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.casefold() != "basic":
        return False
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        site.oauth.check_client(client_id, secret)
    except (binascii.Error, UnicodeDecodeError, OAuthError):
        return False
    return True


ROUTES = (
    Route("GET", "/login/oauth/authorize", Anyone(), authorize),
    Route("POST", "/login/oauth/access_token", Anyone(), exchange),
    Route("GET", "/user", Anyone(), get_own_user),
    Route("DELETE", "/applications/{client_id}/token", Anyone(), forget_token),
)
