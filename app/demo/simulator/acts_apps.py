"""What happens to the App's installations, and the webhooks it makes."""

from app.demo.simulator import render
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import Account, Installation, Repository

ZEN = "Non-blocking is better than blocking."


def make_installation(site: GitHubSite, account: Account, repositories: tuple[Repository, ...] | None) -> Installation:
    """The App installed on an account, silently; ``repositories`` None means all of them."""
    world = site.world
    installation = Installation(
        id=world.new_id(),
        account=account,
        permissions=dict(world.app.permissions),
        created_at=world.now(),
        updated_at=world.now(),
        repositories=None if repositories is None else {one.id for one in repositories},
    )
    world.installations[installation.id] = installation
    return installation


def cover(site: GitHubSite, repository: Repository) -> None:
    """Make sure, silently, that the App reaches a new repository."""
    for installation in site.world.installations.values():
        if installation.account is repository.owner:
            if installation.repositories is not None:
                installation.repositories.add(repository.id)
            return
    make_installation(site, repository.owner, None)


def announce_installation(site: GitHubSite, installation: Installation, action: str) -> None:
    """Send an ``installation`` webhook."""
    world = site.world
    payload: dict[str, object] = {
        "action": action,
        "installation": render.installation(world, installation),
        "repositories": [
            render.repository_stub(one) for one in world.repositories.values() if installation.covers(one)
        ],
        "sender": render.account(world, installation.account),
    }
    site.webhooks.emit("installation", payload, action=action, installation_id=installation.id)
    world.changed()


def announce_selection(site: GitHubSite, installation: Installation, before: set[int]) -> None:
    """Send ``installation_repositories`` webhooks for what came and what went since ``before``."""
    world = site.world
    after = installation.repositories or set()
    for action, changed in (("added", after - before), ("removed", before - after)):
        if not changed:
            continue
        stubs = [render.repository_stub(world.repositories[number]) for number in sorted(changed)]
        payload: dict[str, object] = {
            "action": action,
            "installation": render.installation(world, installation),
            "repository_selection": "selected",
            "repositories_added": stubs if action == "added" else [],
            "repositories_removed": stubs if action == "removed" else [],
            "requester": None,
            "sender": render.account(world, installation.account),
        }
        site.webhooks.emit("installation_repositories", payload, action=action, installation_id=installation.id)
    world.changed()


def ping(site: GitHubSite) -> None:
    """Send the ``ping`` that GitHub sends when a webhook is set up."""
    world, spec = site.world, site.world.app
    url = site.webhooks.url or ""
    hook = {
        "type": "App",
        "id": spec.id + 1,
        "name": "web",
        "active": True,
        "app_id": spec.id,
        "events": list(spec.events),
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url},
        "created_at": render.stamp(world.now()),
        "updated_at": render.stamp(world.now()),
        "deliveries_url": f"{world.base_url}/app/hook/deliveries",
    }
    site.webhooks.emit("ping", {"zen": ZEN, "hook_id": spec.id + 1, "hook": hook})
