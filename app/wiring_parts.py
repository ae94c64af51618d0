"""The adapters of a worker, opened; every wiring module binds use cases to them."""

from dataclasses import dataclass
from datetime import timedelta

from arq.connections import ArqRedis

from app.jobs.queue import ArqQueue
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemIds
from bot.git.adapter import GitMirrors
from bot.model.retention import Keep
from bot.model.turns import JobCaps
from bot.policy.limits import ServerLimits
from bot.ports.forge import Forge
from bot.ports.runner import AgentRunner, Obstacle
from bot.ports.system import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The adapters, opened."""

    settings: ServiceSettings
    clock: Clock
    ids: SystemIds
    store: SqlStore
    redis: ArqRedis
    queue: ArqQueue
    forge: Forge
    git: GitMirrors
    runner: AgentRunner
    guard: Obstacle | None


def server_limits(settings: ServiceSettings) -> ServerLimits:
    """What no repository and no command may exceed."""
    return ServerLimits(
        default_model=settings.model,
        allowed_models=settings.allowed_models,
        max_budget_usd=settings.max_budget_usd,
        max_run_seconds=settings.run_timeout_seconds,
        stall_seconds=settings.stall_timeout_seconds,
        max_turns=settings.max_turns,
        max_workspace_bytes=settings.max_workspace_bytes,
        max_result_bytes=settings.max_result_bytes,
        max_result_files=settings.max_result_files,
        max_log_bytes=settings.max_log_bytes,
        direct_calls=settings.direct_calls,
        shared_config_required=settings.require_organisation_config,
    )


def job_caps(settings: ServiceSettings) -> JobCaps:
    """How many jobs may be at work at once."""
    return JobCaps(
        per_repository=settings.max_jobs_per_repository,
        per_installation=settings.max_jobs_per_installation,
        overall=settings.max_jobs,
    )


def keep(settings: ServiceSettings) -> Keep:
    """How old rows become."""
    return Keep(
        deliveries=timedelta(days=settings.delivery_days),
        history_months=settings.history_months,
        audit_months=settings.audit_months,
    )
