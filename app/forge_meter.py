"""The traffic with the forge, as metrics."""

from app.telemetry import FORGE_BUDGET_LEFT, FORGE_PACED_SECONDS, FORGE_REQUESTS, REPORTS_GIVEN_UP
from bot.model.forge import ForgeName
from bot.model.reports import ReportTarget


class ForgeMeter:
    """``bot.forges.meter.Meter`` for Prometheus. No label names a repository, a person or an installation."""

    def __init__(self, forge: ForgeName) -> None:
        """Count for the configured forge of that name."""
        self._forge = forge

    def answered(self, method: str, result: str) -> None:
        """Count a request by what came of it."""
        FORGE_REQUESTS.labels(forge=self._forge, method=method, result=result).inc()

    def budget(self, resource: str, share: float) -> None:
        """Show what the installation with the least left has."""
        FORGE_BUDGET_LEFT.labels(forge=self._forge, resource=resource).set(share)

    def paced(self, seconds: float) -> None:
        """Add what a request waited for its turn."""
        FORGE_PACED_SECONDS.labels(forge=self._forge).inc(seconds)


def count_given_up(target: ReportTarget, _why: str) -> None:
    """Count a report that was given up; why is in the log and in the report's row."""
    REPORTS_GIVEN_UP.labels(surface=target.surface.value).inc()
