"""The gate: every check over one candidate, and the worst of what they found.

Only what passes becomes a proposal. What is refused may be tried again; what needs a person goes to one, with the
findings. A finding that passes is a note.

``run_gate`` parses files in a child process and may take seconds: call it off the event loop.
"""

from collections.abc import Callable
from typing import Final

from bot.model.resolutions import Candidate, Finding, GateResult, GateVerdict
from bot.validation import (
    completeness,
    credentials,
    encoding,
    lost_lines,
    markers,
    paths,
    scope_hunks,
    scope_paths,
    size,
    syntax,
    unicode,
)

Check = Callable[[Candidate], list[Finding]]

CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    (scope_paths.NAME, scope_paths.check),
    (paths.NAME, paths.check),
    (size.NAME, size.check),
    (completeness.NAME, completeness.check),
    (encoding.NAME, encoding.check),
    (markers.NAME, markers.check),
    (scope_hunks.NAME, scope_hunks.check),
    (lost_lines.NAME, lost_lines.check),
    (syntax.NAME, syntax.check),
    (unicode.NAME, unicode.check),
    (credentials.NAME, credentials.check),
)
"""All checks, in the order in which their findings are shown. A check is a pure function from candidate to findings."""

_SEVERITY: Final = {GateVerdict.PASS: 0, GateVerdict.NEEDS_PERSON: 1, GateVerdict.REFUSED: 2}


def run_gate(candidate: Candidate) -> GateResult:
    """Run every check; the verdict is that of the worst finding, and a pass where there is none.

    Raises:
        SandboxError: a check cannot be run on this machine.
    """
    findings = tuple(finding for _, check in CHECKS for finding in check(candidate))
    verdict = max((finding.verdict for finding in findings), key=_SEVERITY.__getitem__, default=GateVerdict.PASS)
    return GateResult(verdict=verdict, findings=findings, checks=tuple(name for name, _ in CHECKS))
