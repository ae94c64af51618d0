"""What GitHub tried to deliver, and having it try once more. GitHub itself never does.

https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from bot.forges.github import answers
from bot.forges.github.client import GitHubClient
from bot.forges.github.deliveries import DECODED_EVENTS
from bot.model.shown import SentAttempt, SentPage

_ARRIVED: Final = "OK"
"""The status of an attempt that was answered with a success."""


class _Attempt(Struct, frozen=True):
    """https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook ."""

    id: int
    guid: str
    delivered_at: datetime
    status: str
    event: str


async def page(client: GitHubClient, cursor: str | None) -> SentPage:
    """A page of the attempts at events that we use, newest first.

    https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook
    """
    found, older = await client.app_page("/app/hook/deliveries{?per_page,cursor}", list[_Attempt], cursor=cursor)
    attempts = tuple(
        SentAttempt(attempt_id=one.id, delivery_id=one.guid, arrived=one.status == _ARRIVED, at=one.delivered_at)
        for one in found
        if one.event in DECODED_EVENTS
    )
    return SentPage(attempts=attempts, oldest=min((one.delivered_at for one in found), default=None), cursor=older)


async def send_again(client: GitHubClient, attempt_id: int) -> None:
    """Have a delivery sent again, under the same guid.

    https://docs.github.com/en/rest/apps/webhooks#redeliver-a-delivery-for-an-app-webhook
    """
    url = "/app/hook/deliveries/{delivery_id}/attempts"
    await client.app_send("POST", url, answers.Ignored, idempotent=False, delivery_id=attempt_id)
