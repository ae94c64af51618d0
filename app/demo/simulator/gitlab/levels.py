"""What the roles of the simulator are on GitLab."""

from types import MappingProxyType
from typing import Final

from app.demo.simulator.state import Role

LEVELS: Final = MappingProxyType(
    {Role.NONE: 0, Role.READ: 10, Role.TRIAGE: 20, Role.WRITE: 30, Role.MAINTAIN: 40, Role.ADMIN: 50}
)
"""Guest, Reporter, Developer, Maintainer and Owner. Source: https://docs.gitlab.com/api/access_requests/ ."""

NO_ONE: Final = 0
"""The level of a protected branch that nobody pushes to. Source: https://docs.gitlab.com/api/protected_branches/ ."""
