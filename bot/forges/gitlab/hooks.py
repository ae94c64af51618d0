"""Hooks that GitLab turned off after failures, turned on again."""

from msgspec import Struct

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient, encoded
from bot.model.forge import RepositoryRef

_OFF = frozenset({"disabled", "temporarily_disabled"})


class _Hook(Struct, frozen=True):
    """https://docs.gitlab.com/api/project_webhooks/#retrieve-a-project-webhook ."""

    id: int
    url: str
    alert_status: str = "executable"


async def revive(client: GitLabClient, repository: RepositoryRef, *, address: str | None) -> int:
    """Send a test to each hook that leads to ``address`` and is turned off; how many there were.

    Hooks of the project and of the groups around it are looked at. An answer of ours to the test turns a hook on again;
    one of a group then is on for all of its projects. Whoever may not see hooks finds none: those of groups take an
    Owner. https://docs.gitlab.com/user/project/integrations/webhooks/#re-enable-disabled-webhooks
    """
    if address is None:
        return 0
    names = repository.owner.split("/")
    groups = [encoded("/".join(names[:depth])) for depth in range(len(names), 0, -1)]
    places = [f"/projects/{repository.id}", *(f"/groups/{group}" for group in groups)]
    return sum([await _revive(client, f"{place}/hooks", address) for place in places])


async def _revive(client: GitLabClient, url: str, address: str) -> int:
    """In one place. https://docs.gitlab.com/api/group_webhooks/#trigger-a-test-group-webhook ."""
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
