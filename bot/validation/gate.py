"""The gate: every check over one candidate, and the worst of what they found.

Only what passes becomes a proposal by itself. What is refused may be tried again; what needs a person goes to one, with
the findings. A finding that passes is a note.

``run_gate`` parses files in a child process and may take seconds: call it off the event loop.
"""

from collections.abc import Callable, Iterator
from typing import Final

from bot.model.resolutions import Candidate, Finding, GateResult, GateVerdict
from bot.validation import (
    completeness,
    credentials,
    dropped_side,
    encoding,
    lost_lines,
    markers,
    new_lines,
    paths,
    scope_hunks,
    scope_paths,
    sensitive,
    size,
    switches,
    syntax,
    unicode,
    weakened_tests,
)
from bot.validation.texts import at_most
from bot.validation.traced import TracedFile, traced

Check = Callable[[Candidate], list[Finding]]
FileCheck = Callable[[TracedFile], Iterator[Finding]]

CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    (scope_paths.NAME, scope_paths.check),
    (paths.NAME, paths.check),
    (size.NAME, size.check),
    (completeness.NAME, completeness.check),
    (encoding.NAME, encoding.check),
    (markers.NAME, markers.check),
    (syntax.NAME, syntax.check),
    (unicode.NAME, unicode.check),
    (credentials.NAME, credentials.check),
)
"""The checks of a whole candidate. Each is a pure function."""

FILE_CHECKS: Final[tuple[tuple[str, FileCheck], ...]] = (
    (scope_hunks.NAME, scope_hunks.check),
    (lost_lines.NAME, lost_lines.check),
    (sensitive.NAME, sensitive.check),
    (weakened_tests.NAME, weakened_tests.check),
    (switches.NAME, switches.check),
    (new_lines.NAME, new_lines.check),
    (dropped_side.NAME, dropped_side.check),
)
"""The checks of one file, given where each of its lines comes from, which is found out once for all of them."""

NAMES: Final[tuple[str, ...]] = tuple(name for name, _ in (*CHECKS, *FILE_CHECKS))
"""All checks, in the order in which their findings are shown."""

RETRYABLE: Final[frozenset[str]] = frozenset(
    {
        scope_paths.NAME,
        completeness.NAME,
        encoding.NAME,
        markers.NAME,
        syntax.NAME,
        unicode.NAME,
        credentials.NAME,
        scope_hunks.NAME,
        lost_lines.NAME,
        weakened_tests.NAME,
        new_lines.NAME,
    }
)
"""Checks whose findings another try of an agent may mend. The others only a person can settle: what is protected, what
installs or builds, what is too large."""

_OF_MERGES: Final = frozenset({lost_lines.NAME, new_lines.NAME})
"""What a generated file owes nobody: its command writes it, whatever the sides have."""

_SEVERITY: Final = {GateVerdict.PASS: 0, GateVerdict.NEEDS_PERSON: 1, GateVerdict.REFUSED: 2}


def run_gate(candidate: Candidate) -> GateResult:
    """Run every check; the verdict is that of the worst finding, and a pass where there is none.

    Raises:
        SandboxError: a check cannot be run on this machine.
    """
    found = {name: check(candidate) for name, check in CHECKS} | {name: [] for name, _ in FILE_CHECKS}
    for file in traced(candidate):
        for name, check_file in FILE_CHECKS:
            if not (file.generated and name in _OF_MERGES):
                found[name] += at_most(check_file(file))
    findings = tuple(finding for name in NAMES for finding in found[name])
    verdict = max((finding.verdict for finding in findings), key=_SEVERITY.__getitem__, default=GateVerdict.PASS)
    return GateResult(verdict=verdict, findings=findings, checks=NAMES)
