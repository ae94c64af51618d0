"""Try, from inside a sandbox, everything that no sandbox may be able to do, and say what came of it.

A guest that finds ``FLOWFORGE_PROBE`` in its environment does this in place of a task. What is tried follows from the
targets alone, so that whoever asked knows which answers have to come.
"""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from runners.guest.probe_files import file_trials
from runners.guest.probe_network import gateway_trials, limit_resolver, network_trials
from runners.guest.probe_privileges import privilege_trials
from runners.guest.probe_words import (
    PROBE_PREFIX,
    PROBE_VERSION,
    Found,
    Outcome,
    ProbeTargets,
    Trial,
    targets_from_json,
)
from runners.guest.task import GuestError
from runners.protocol import ENV_CLAUDE, ENV_PROBE, EXIT_MISUSED

_WHOLE_SECONDS: Final = 9.0
_MAX_DETAIL: Final = 200
_VERSION_SECONDS: Final = 20.0
_MAX_VERSION: Final = 64


def trials_of(targets: ProbeTargets, environ: Mapping[str, str]) -> list[Trial]:
    """Everything that is tried. Kinds and names follow from the targets alone."""
    return [
        *file_trials(targets, environ),
        *privilege_trials(targets, environ),
        *network_trials(targets, environ),
        *gateway_trials(targets, environ),
    ]


def run_probe(environ: Mapping[str, str]) -> str:
    """Try everything; the line to print. Raises ``GuestError`` where the targets cannot be read."""
    try:
        targets = targets_from_json(environ[ENV_PROBE])
    except ValueError as error:
        raise GuestError(f"{ENV_PROBE}: {error}", exit_code=EXIT_MISUSED) from None
    limit_resolver()
    trials = trials_of(targets, environ)
    found = _try_all(trials)
    attempts = [
        {"kind": trial.kind, "name": trial.name, "outcome": outcome.value, "detail": words[:_MAX_DETAIL]}
        for trial, (outcome, words) in zip(trials, found, strict=True)
    ]
    answer = {
        "version": PROBE_VERSION,
        "nonce": targets.nonce,
        "claude": _version(environ.get(ENV_CLAUDE, "")),
        "attempts": attempts,
    }
    return PROBE_PREFIX + json.dumps(answer)


def _try_all(trials: Sequence[Trial]) -> list[Found]:
    """What forks or looks at files goes first and in turn; what waits for a network goes together."""
    until = time.monotonic() + _WHOLE_SECONDS
    found: dict[int, Found] = {}
    waiting = [number for number, trial in enumerate(trials) if trial.waits]
    for number, trial in enumerate(trials):
        if not trial.waits:
            found[number] = _try(trial)
    answers: queue.SimpleQueue[tuple[int, Found]] = queue.SimpleQueue()
    for number in waiting:
        threading.Thread(target=_answer, args=(answers, number, trials[number]), daemon=True).start()
    try:
        for _ in waiting:
            number, answer = answers.get(timeout=max(0.0, until - time.monotonic()))
            found[number] = answer
    except queue.Empty:
        pass
    late = (Outcome.UNCLEAR, "it took too long")
    return [found.get(number, late) for number in range(len(trials))]


def _answer(answers: "queue.SimpleQueue[tuple[int, Found]]", number: int, trial: Trial) -> None:
    answers.put((number, _try(trial)))


def _try(trial: Trial) -> Found:
    try:
        return trial.run()
    except (OSError, ValueError, LookupError, AttributeError) as error:
        return Outcome.UNCLEAR, f"it could not be tried ({type(error).__name__})"


def _version(claude: str) -> str:
    """What Claude Code says its version is, empty where there is none to ask."""
    try:
        asked = subprocess.run(
            [claude, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.decode("utf-8", "replace").strip()[:_MAX_VERSION]
