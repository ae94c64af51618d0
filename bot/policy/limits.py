"""Whose limit counts: the server's, the repository's, or the request's. Always the lowest."""

from dataclasses import dataclass, replace
from typing import Final

from bot.config_keys import RepositoryConfig
from bot.model.intents import Allowed, Refused
from bot.model.runs import RunLimits

NO_BUDGET_USD: Final = 0.01
"""The budget of a run without a model: a run without any is none, and its token is worth nothing there anyway."""

MAX_LOST: Final = 10
"""So many sandboxes of one kind may a job lose before people are told: by then, twenty minutes have passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What whoever runs the server allows. Times in seconds, sizes in bytes, money in US dollars per job.

    ``direct_calls`` says whether the model may be asked without a sandbox, ``shared_config_required`` that no job is
    for repositories which no file of an organisation or a group binds.
    """

    default_model: str
    allowed_models: tuple[str, ...]
    max_budget_usd: float
    max_run_seconds: float
    stall_seconds: float
    max_turns: int
    max_workspace_bytes: int
    max_result_bytes: int
    max_result_files: int
    max_log_bytes: int
    direct_calls: bool = True
    shared_config_required: bool = False


def chosen_model(config: RepositoryConfig, asked: str | None, server: ServerLimits) -> str:
    """The model that a job uses: the one asked for, else the repository's, else the server's."""
    return asked or config.model or server.default_model


def chosen_budget(config: RepositoryConfig, asked: float | None, server: ServerLimits) -> float:
    """What a job may cost, in US dollars."""
    ceiling = min(config.budget_usd, server.max_budget_usd)
    return ceiling if asked is None else min(asked, ceiling)


def run_limits(config: RepositoryConfig, *, budget_usd: float, server: ServerLimits) -> RunLimits:
    """The limits of one run of a job that may cost ``budget_usd``."""
    return RunLimits(
        deadline_seconds=min(config.timeout_minutes * 60.0, server.max_run_seconds),
        stall_seconds=server.stall_seconds,
        budget_usd=chosen_budget(config, budget_usd, server),
        max_turns=server.max_turns,
        max_workspace_bytes=server.max_workspace_bytes,
        max_result_bytes=server.max_result_bytes,
        max_result_files=server.max_result_files,
        max_log_bytes=server.max_log_bytes,
    )


def limits_of_tests(config: RepositoryConfig, *, server: ServerLimits) -> RunLimits:
    """The limits of one run of the repository's tests.

    Tests may be silent for as long as they may take. What they leave in their sandbox is nobody's: as good as nothing
    of it is taken back.
    """
    deadline = min(config.test_timeout_minutes * 60.0, server.max_run_seconds)
    limits = run_limits(config, budget_usd=NO_BUDGET_USD, server=server)
    return replace(limits, deadline_seconds=deadline, stall_seconds=deadline, max_result_bytes=1)


def direct_hunks(config: RepositoryConfig, server: ServerLimits) -> int:
    """How many hunks may be put to the model in one direct call; 0 where there are no such calls."""
    wanted = server.direct_calls and config.resolvers.direct
    return config.resolvers.direct_max_hunks if wanted else 0


def check_conflicts(config: RepositoryConfig, conflicted: int, *, said_in: str) -> Allowed | Refused:
    """Whether a merge with so many conflicted files is for the bot; ``said_in`` is where the limit stands."""
    if conflicted > config.max_conflicted_files:
        message = (
            f"{conflicted} files conflict; this repository leaves merges with more than {config.max_conflicted_files} "
            f"to people (`max_conflicted_files` in {said_in})."
        )
        return Refused(rule="conflicted-files", message=message)
    return Allowed(reasons=(f"{conflicted} conflicted files, at most {config.max_conflicted_files} allowed",))
