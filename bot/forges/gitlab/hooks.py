"""Hooks that GitLab turned off after failures, turned on again."""

from msgspec import Struct

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient
from bot.model.forge import RepositoryRef

_OFF = frozenset({"disabled", "temporarily_disabled"})


class _Hook(Struct, frozen=True):
    """https://docs.gitlab.com/api/project_webhooks/#retrieve-a-project-webhook ."""

    id: int
    url: str
    alert_status: str = "executable"


async def revive(client: GitLabClient, repository: RepositoryRef, *, address: str | None) -> int:
    """Send a test to each hook of the project that leads to ``address`` and is turned off; how many there were.

    An answer of ours to the test turns the hook on again. Whoever may not see a project's hooks finds none.
    https://docs.gitlab.com/user/project/integrations/webhooks/#re-enable-disabled-webhooks
    """
    if address is None:
        return 0
    url = f"/projects/{repository.id}/hooks"
    revived = 0
    try:
        async for page in client.pages(url, list[_Hook]):
            for hook in page:
                if hook.url == address and hook.alert_status in _OFF:
                    test = f"{url}/{hook.id}/test/push_events"
                    await client.send("post", test, answers.Ignored, data={}, idempotent=False)
                    revived += 1
    except (ForgeNotFoundError, ForgeRefusedError):
        return revived
    return revived
