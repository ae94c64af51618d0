"""``POST /oauth/token``. Source: https://docs.gitlab.com/api/oauth2/ and RFC 6749, section 5.2."""

from urllib.parse import parse_qsl

from app.demo.simulator.gitlab.auth import OAUTH_SECONDS
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Request, Response, json_response

PATH = "/oauth/token"


def renewed(site: GitLabSite, request: Request) -> Response:
    """Exchange a refresh token, of our one application."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if (form.get("client_id"), form.get("client_secret")) != site.world.application:
        return _refusal("invalid_client", status=401)
    if form.get("grant_type") != "refresh_token":
        return _refusal("unsupported_grant_type", status=400)
    given = site.tokens.renew(form.get("refresh_token", ""))
    if given is None:
        return _refusal("invalid_grant", status=400)
    token, refresh = given
    site.world.changed()
    return json_response(
        {
            "access_token": token.value,
            "token_type": "Bearer",
            "expires_in": OAUTH_SECONDS,
            "refresh_token": refresh,
            "scope": "api",
            "created_at": int(token.created_at.timestamp()),
        }
    )


def _refusal(error: str, *, status: int) -> Response:
    return json_response({"error": error, "error_description": "The request was refused."}, status=status)
