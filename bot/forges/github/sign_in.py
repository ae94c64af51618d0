"""Signing in with GitHub, by the App's client, which asks for nothing beyond what the App was registered with.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

import httpx

from bot.forges.sign_in import Client, CodeFlow, Places
from bot.model.forge import ForgeName


def github_sign_in(forge: ForgeName, *, url: str, api_url: str, client: Client, http: httpx.AsyncClient) -> CodeFlow:
    """The sign-in of a GitHub that people see at ``url``; an Enterprise Server has pages of its own for it."""

    async def forget(http: httpx.AsyncClient, token: str) -> object:
        # https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
        return await http.request(
            "DELETE",
            f"{api_url}/applications/{client.id}/token",
            auth=(client.id, client.secret),
            json={"access_token": token},
            headers={"accept": "application/vnd.github+json"},
        )

    places = Places(
        authorize=f"{url}/login/oauth/authorize",
        token=f"{url}/login/oauth/access_token",
        user=f"{api_url}/user",
        login="login",
        scope=None,
    )
    return CodeFlow(forge, places=places, client=client, http=http, forget=forget)
