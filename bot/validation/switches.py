"""Lines from neither side that weaken a safeguard: advice to the reader, never a verdict."""

import re
from collections.abc import Iterator
from typing import Final

from bot.model.resolutions import Finding, GateVerdict, LineOrigin
from bot.validation.traced import TracedFile

NAME: Final = "switches"

_SWITCHES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        (
            "does not verify certificates",
            r"(?i)\bverify(?:_ssl|_mode|_peer|_certs)?\s{0,4}[:=]\s{0,4}(?:False|false|0|nil|\w*VERIFY_NONE)\b",
        ),
        (
            "does not verify certificates",
            r"\bVERIFY_NONE\b|\bCERT_NONE\b|_create_unverified_context|\bInsecureSkipVerify\s*:\s*true",
        ),
        (
            "does not verify certificates",
            r"(?i)\brejectUnauthorized\s*:\s*false|NODE_TLS_REJECT_UNAUTHORIZED|--insecure\b|\bcurl\s+(?:-\w+\s+){0,6}-\w*k\b",
        ),
        (
            "does not verify certificates",
            r"\bVERIFYPEER\b.{0,40}\b(?:false|0)\b|\bsslverify\s*=\s*(?:false|0)|ServerCertificateValidationCallback",
        ),
        ("lets everybody write", r"\bchmod\b[^\n]{0,40}\b0?o?777\b|\b0o?777\b|\ba\+w\b|\bo\+w\b"),
        ("runs text as a program", r"\b(?:eval|exec)\s*\(|\bnew Function\s*\(|\bshell\s*=\s*True\b|\bos\.system\s*\("),
        (
            "reads objects that may run code",
            r"\bpickle\.loads?\s*\(|\byaml\.(?:unsafe_load|load)\s*\(|\bunserialize\s*\(|\bMarshal\.load\b",
        ),
        (
            "turns a safeguard off",
            r"(?i)\b(?:csrf|xss|auth|authentication|ssl|tls|sandbox|security)\w{0,20}[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:false|off|disabled|none|0)\b",
        ),
        (
            "turns a safeguard off",
            r"@csrf_exempt|skip_before_action\s+:(?:verify|auth)|permitAll\s*\(|AllowAnonymous|--no-verify\b|--privileged\b",
        ),
        (
            "lets every origin in",
            r"(?i)Access-Control-Allow-Origin[\"']?\s{0,4}[:,=]\s{0,4}[\"']?\*|\bcors_?allow_?all\w{0,12}\s*=\s*true",
        ),
        ("hides a warning of a tool", r"#\s*nosec\b|#\s*noqa:?\s*S\d|//\s*nolint:\s*gosec|NOSONAR"),
    )
)

_EXAMINED: Final = 1000
"""Columns of a line that are looked at: longer new lines go to a person anyway, see ``bot.validation.new_lines``."""


def check(file: TracedFile) -> Iterator[Finding]:
    """Promise: none. Lines from neither side that look as if they weakened a safeguard are named, as notes.

    Only usual spellings are known, and many of them have honest uses; a check that is left out cannot be seen.
    """
    if not file.text:
        return
    for number, line in file.made(LineOrigin.NEW, LineOrigin.RECOMBINED):
        what = next((what for what, pattern in _SWITCHES if pattern.search(line[:_EXAMINED])), None)
        if what is not None:
            message = f"Look at this line, which neither side has: it {what}."
            yield Finding(check=NAME, verdict=GateVerdict.PASS, path=file.path, message=message, lines=(number, number))
