"""Signing in with GitLab, by an OAuth application that may read who one is: the scope ``read_user``.

https://docs.gitlab.com/api/oauth2/#authorization-code-with-proof-key-for-code-exchange-pkce
"""

from typing import Final

import httpx

from bot.forges.sign_in import Client, CodeFlow, Places
from bot.model.forge import ForgeName

SCOPE: Final = "read_user"


def gitlab_sign_in(forge: ForgeName, *, url: str, client: Client, http: httpx.AsyncClient) -> CodeFlow:
    """The sign-in of the GitLab that people see at ``url``."""

    async def forget(http: httpx.AsyncClient, token: str) -> object:
        # https://docs.gitlab.com/api/oauth2/#revoke-a-token
        return await http.post(
            f"{url}/oauth/revoke", data={"client_id": client.id, "client_secret": client.secret, "token": token}
        )

    places = Places(
        authorize=f"{url}/oauth/authorize",
        token=f"{url}/oauth/token",
        user=f"{url}/api/v4/user",
        login="username",
        scope=SCOPE,
    )
    return CodeFlow(forge, places=places, client=client, http=http, forget=forget)
