"""The approval page, wired: its sign-ins, and what it looks at."""

import contextlib
from typing import assert_never

from app.forge_settings import ForgeSettings, GitHubApp, GitLabHost, OAuthApplication
from app.http.crowd import Crowd
from app.http.proposals import Entrance, Pages
from app.http.sessions import Seals
from app.jobs.queue import ArqQueue
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.wiring_parts import server_limits
from bot.forges.github.sign_in import github_sign_in
from bot.forges.gitlab.sign_in import gitlab_sign_in
from bot.forges.sign_in import Client, open_sign_in_http
from bot.handlers.forks import CheckHead
from bot.handlers.page import DecideOnPage, LookAtProposal
from bot.handlers.weigh import WeighIntent
from bot.model.forge import ForgeName
from bot.ports.forge import Forge
from bot.ports.sign_in import SignIn
from bot.ports.system import Clock


def forges_with_pages(settings: ServiceSettings) -> frozenset[ForgeName]:
    """The forges whose people can sign in; none where nobody knows at which address."""
    if settings.public_url is None:
        return frozenset()
    return frozenset(forge.name for forge in settings.configured_forges if forge.oauth is not None)


def page_address(settings: ServiceSettings, forge: ForgeName, proposal_id: str) -> str:
    """Where people decide about a proposal, empty where there is no page for its forge."""
    return f"{settings.public_url}/proposals/{forge}/{proposal_id}" if forge in forges_with_pages(settings) else ""


async def open_pages(
    settings: ServiceSettings,
    *,
    store: SqlStore,
    forge: Forge,
    queue: ArqQueue,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
) -> Pages | None:
    """The page, where it is set up; ``stack`` closes its connections."""
    names = forges_with_pages(settings)
    if settings.public_url is None or not names:
        return None
    entrances = {}
    for one in settings.configured_forges:
        if one.oauth is not None:
            entrances[one.name] = await _entrance(one, one.oauth, stack)
    look = LookAtProposal(
        store=store,
        weigh=WeighIntent(
            store=store,
            forge=forge,
            check_head=CheckHead(forks=store.forks, forge=forge),
            server=server_limits(settings),
        ),
        forge=forge,
        days=settings.proposal_days,
    )
    return Pages(
        public_url=settings.public_url,
        entrances=entrances,
        look=look,
        decide=DecideOnPage(store=store, look=look, clock=clock, ring=queue.ring),
        clock=clock,
        crowd=Crowd(),
    )


async def _entrance(forge: ForgeSettings, oauth: OAuthApplication, stack: contextlib.AsyncExitStack) -> Entrance:
    secret = oauth.client_secret.get_secret_value()
    known = Client(id=oauth.client_id, secret=secret)
    match forge:
        case GitHubApp():
            http = await stack.enter_async_context(open_sign_in_http(forge.api_url))
            sign_in: SignIn = github_sign_in(
                forge.name, url=forge.git_url, api_url=forge.api_url, client=known, http=http
            )
        case GitLabHost():
            http = await stack.enter_async_context(open_sign_in_http(forge.url))
            sign_in = gitlab_sign_in(forge.name, url=forge.url, client=known, http=http)
        case _:
            assert_never(forge)
    return Entrance(sign_in=sign_in, seals=Seals(forge.name, secret))
