"""No credential is new. Known by its shape: nothing is decoded, looked up or tried."""

import re
from collections import Counter
from collections.abc import Iterator
from math import log2
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
        # The same in base64, as Kubernetes' secrets have it: "-----BEGIN " and the usual kinds of key.
        ("a private key", r"\bLS0tLS1CRUdJTiB(?:QUklWQVRF|SU0Eg|FQyBQ|PUEVOU1NI|FTkNSWVBURUQ|EU0Eg)[A-Za-z0-9+/=]*"),
        ("a GitHub token", r"\bZ2h[vwzyx][A-Za-z0-9+/]{36,}"),
        ("an AWS access key id", r"\bQUtJQ[A-Za-z0-9+/]{22}(?![A-Za-z0-9+/])"),
        ("a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}"),
        ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
        ("a DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{40,}"),
        ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
        ("a Twilio key", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
        ("a Docker token", r"\bdckr_pat_[A-Za-z0-9_-]{20,}"),
        ("a Vault token", r"\bhv[bsr]\.[A-Za-z0-9_-]{20,}"),
        ("a Databricks token", r"\bdapi[a-f0-9]{32}\b"),
        ("a Telegram token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b"),
        ("a Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
        ("a Discord webhook", r"\bdiscord(?:app)?\.com/api/webhooks/[0-9]{10,}/[A-Za-z0-9_-]{30,}"),
        ("an Azure key", r"\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}"),
        ("an npm password", r"(?i)\b_(?:authToken|auth|password)\s{0,4}=\s{0,4}[\"']?[A-Za-z0-9+/=_-]{16,}"),
        ("a Google OAuth secret", r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
        ("a password in a URL", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>${}]{1,100}:[^\s/@\"'<>${}]{6,100}@"),
    )
)

_JOINT: Final = re.compile(r"([\"'])[ \t]{0,8}[+.&]?[ \t]{0,8}\1")
"""Where one string literal ends and the next begins, in one line."""

_ASSIGNED: Final = re.compile(
    r"(?i)(?:secret|token|passw(?:or)?d|passphrase|api_?key|access_?key|private_?key|credential|auth_?key)\w{0,20}[\"']?"
    r"\s{0,4}(?::=|=>|[:=])\s{0,4}[\"']?([a-z0-9+/=_.~!@#$%^&*-]{16,200})",
)
_RANDOM_BITS: Final = 3.5
"""Bits per character. Words and paths have about three, random text of 20 characters about four."""


def check(candidate: Candidate) -> list[Finding]:
    """Promise: nothing shaped like a known credential is in the result that is on neither side.

    What was found is never part of the message. Where a name says that a value is secret, and it looks random, a person
    is asked. Strings that stand side by side in a line count as one. What is encoded or split otherwise, or of a kind
    not listed here, goes unseen.
    """
    return [finding for text in resolved_texts(candidate) for finding in at_most(_new(text))]


def _new(text: ResolvedText) -> Iterator[Finding]:
    fresh = _fresh_lines(text)
    excerpt = _joined("\n".join(line for _, line in fresh))
    for what, shape in _SHAPES:
        for number, _ in _found(shape, excerpt, fresh, text):
            yield _refused(text.path, what, number)
    for number, match in _found(_ASSIGNED, excerpt, fresh, text):
        if _looks_random(match[1]):
            message = "This looks like a secret: a random value that neither side has."
            lines = (number, number)
            yield Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=text.path, message=message, lines=lines)


def _fresh_lines(text: ResolvedText) -> list[tuple[int, str]]:
    """Number and text of the lines that are on no side, each with the line before it: a key follows its header."""
    known = {line for side in text.sides for line in side.lines}
    lines = list(enumerate(text.result.lines, start=1))
    fresh = [line not in known for _, line in lines] + [False]
    return [item for at, item in enumerate(lines) if fresh[at] or fresh[at + 1]]


def _found(
    shape: re.Pattern[str], excerpt: str, fresh: list[tuple[int, str]], text: ResolvedText
) -> Iterator[tuple[int, re.Match[str]]]:
    """Each match that no side has, with the number of its line in the result."""
    known: set[str] | None = None
    index = counted = 0
    for match in shape.finditer(excerpt):
        index += excerpt.count("\n", counted, match.start())
        counted = match.start()
        if known is None:
            known = {_value(other) for side in text.sides for other in shape.finditer(_joined(side.text))}
        if _value(match) not in known:
            yield fresh[index][0], match


def _joined(text: str) -> str:
    return _JOINT.sub("", text)


def _value(match: re.Match[str]) -> str:
    """What was found, without the name it was given to."""
    return match[match.lastindex or 0]


def _looks_random(value: str) -> bool:
    if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * log2(share) for share in shares) >= _RANDOM_BITS


def _refused(path: str, what: str, line: int) -> Finding:
    message = f"This looks like {what}, and neither side has it."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=(line, line))
