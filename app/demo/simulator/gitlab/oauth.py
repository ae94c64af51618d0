"""OAuth on GitLab: signing in, and renewing a token. Source: https://docs.gitlab.com/api/oauth2/ and RFC 6749."""

from urllib.parse import parse_qsl

from app.demo.simulator.gitlab.auth import OAUTH_SECONDS
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Request, Response, json_response
from app.demo.simulator.oauth import OAuthError, form_of

PATH = "/oauth/token"
SIGN_IN_SCOPES = frozenset({"read_user"})


def answer(site: GitLabSite, request: Request) -> Response | None:
    """The answer to a request of OAuth; None for any other."""
    try:
        match request.method, request.path:
            case "GET", "/oauth/authorize":
                return site.oauth.authorize(request)
            case "POST", "/oauth/token" if is_sign_in(request):
                return _exchanged(site, request)
            case "POST", "/oauth/token":
                return renewed(site, request)
            case "POST", "/oauth/revoke":
                return _revoked(site, request)
            case _:
                return None
    except OAuthError as error:
        return _refusal(error.name, status=401 if error.name == "invalid_client" else 400)


def is_sign_in(request: Request) -> bool:
    """Whether a request belongs to somebody's way in: it holds what nobody else may see."""
    if request.path == PATH:
        return form_of(request).get("grant_type") == "authorization_code"
    return request.path in {"/oauth/authorize", "/oauth/revoke"}


def _exchanged(site: GitLabSite, request: Request) -> Response:
    token = site.tokens.mint(site.oauth.exchange(request), scopes=SIGN_IN_SCOPES, name="sign-in")
    told = {"access_token": token.value, "token_type": "Bearer", "expires_in": OAUTH_SECONDS, "scope": "read_user"}
    return json_response(told)


def _revoked(site: GitLabSite, request: Request) -> Response:
    form = form_of(request)
    site.oauth.check_client(form.get("client_id", ""), form.get("client_secret", ""))
    token = site.world.tokens.get(form.get("token", ""))
    if token is not None:
        token.revoked = True
    return json_response({})


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
