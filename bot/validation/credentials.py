"""No credential is new. Known by its shape: nothing is decoded, looked up or tried."""

import re
from collections.abc import Iterator
from typing import Final

from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation.texts import ResolvedText, at_most, resolved_texts

NAME: Final = "credentials"

_SHAPES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
        # Since April 2026 installation tokens are ghs_<app id>_<JWT>, so no length is asked for beyond the shortest.
        ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9_.-]{20,}"),
        ("a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
        # https://docs.gitlab.com/security/tokens/#token-prefixes
        ("a GitLab token", r"\bgl(?:pat|oas|dt|rtr|rt|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[A-Za-z0-9_.-]{20,}"),
        ("an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
        ("an OpenAI key", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}"),
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
        ("an AWS access key id", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        (
            "an AWS secret key",
            r"(?i)\baws_?(?:secret|session)_?(?:access_?key|token)\b[\"']?\s{0,4}[:=]\s{0,4}[\"']?[a-z0-9/+=]{40,}",
        ),
        ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("a Slack webhook", r"\bhooks\.slack\.com/services/[A-Z0-9]{6,}/[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
        ("a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
        ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
        ("a PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{32,}"),
        ("a webhook secret", r"\bwhsec_[A-Za-z0-9+/=_-]{24,}"),
        # The key's first line goes with the header, so that a header on a side does not excuse another key below it.
        ("a private key", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----\s{0,8}\S{0,80}"),
        ("a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}"),
        ("a password in a URL", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>${}]{1,100}:[^\s/@\"'<>${}]{6,100}@"),
    )
)


def check(candidate: Candidate) -> list[Finding]:
    """Promise: nothing shaped like a known credential is in the result that is on neither side.

    What was found is never part of the message. What is encoded, split or of a kind not listed here goes unseen.
    """
    return [finding for text in resolved_texts(candidate) for finding in at_most(_new(text))]


def _new(text: ResolvedText) -> Iterator[Finding]:
    for what, shape in _SHAPES:
        known = {match[0] for side in text.sides for match in shape.finditer(side.text)}
        line, counted = 1, 0
        for match in shape.finditer(text.result.text):
            line += text.result.text.count("\n", counted, match.start())
            counted = match.start()
            if match[0] not in known:
                yield _refused(text.path, what, line)


def _refused(path: str, what: str, line: int) -> Finding:
    message = f"This looks like {what}, and neither side has it."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=(line, line))
