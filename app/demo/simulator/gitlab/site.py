"""The parts of the simulated GitLab in one place, for its endpoints and the people."""

from dataclasses import dataclass

from app.demo.simulator.gitlab.auth import Tokens
from app.demo.simulator.gitlab.limits import RateLimits
from app.demo.simulator.gitlab.state import GitLabWorld
from app.demo.simulator.gitlab.webhooks import ProjectWebhooks
from app.demo.simulator.site import Site


@dataclass(slots=True, kw_only=True)
class GitLabSite(Site):
    """Everything an endpoint of GitLab may need. ``signs`` False makes it one that cannot sign its deliveries yet."""

    world: GitLabWorld
    webhooks: ProjectWebhooks
    tokens: Tokens
    limits: RateLimits
    signs: bool = True
