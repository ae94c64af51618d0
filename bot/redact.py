"""Take secrets out of texts that people or log files get to see. Standard library only.

A token is recognised by its shape, never by its length: since April 2026 GitHub's installation tokens are
``ghs_<app id>_<JWT>``, several hundred characters long
(https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app).

Redaction is the last net. What must not be seen is kept out of the text in the first place.
"""

import re
from typing import Final

MARK: Final = "[redacted]"
"""What stands where a secret stood."""

# The name of a credential header, kept, and what may stand between it and the credential.
_BETWEEN: Final = r"['\"]?\s{0,8}[:=]\s{0,8}['\"]?"

# In order: the patterns that take most come first, so that no half of a secret is left over by a smaller one. What a
# pattern's group holds stays. None may scan the same characters from many starts: hostile text must not be slow.
_PATTERNS: Final = (
    # PEM private keys, also when their end was cut off.
    r"(?s)()-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
    # user:password@ in URLs, and the names git uses also where the scheme was cut off.
    r"(://)[^\s/@'\"<>]+(?=@)",
    r"(?i)()(?:x-access-token|oauth2|gitlab-ci-token):[^\s/@:'\"<>]+(?=@)",
    # Headers that carry a credential, with or without quotes around name and value.
    r"(?i)(authorization" + _BETWEEN + r"(?:(?:basic|bearer|token)\s{1,8})?)[^\s'\",;]+",
    r"(?i)((?:x-api-key|private-token|job-token|x-gitlab-token)" + _BETWEEN + r")[^\s'\",;]+",
    # The same credential where its header's name is missing.
    r"(?i)\b(bearer\s{1,8})[A-Za-z0-9._~+/=-]{8,}",
    r"(?i)\b(basic\s{1,8})[A-Za-z0-9+/]{16,}={0,2}",
    # base64 of "x-access-token:" and of "oauth2:".
    r"()eC1hY2Nlc3MtdG9rZW46[A-Za-z0-9+/_=-]*",
    r"()b2F1dGgyO[A-Za-z0-9+/_=-]{8,}",
    # GitHub: https://github.blog/engineering/behind-githubs-new-authentication-token-formats/. Words such as
    # "laughs_at" hold the prefix too: inside a word only what is as long as a token counts.
    r"()(?:(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9_.-]+|gh[pousr]_[A-Za-z0-9_.-]{20,})",
    r"()github_pat_[A-Za-z0-9_]+",
    # Anthropic.
    r"()sk-ant-[A-Za-z0-9_-]+",
    # GitLab: https://docs.gitlab.com/security/tokens/#token-prefixes, and the secrets of Standard Webhooks.
    r"()(?<![A-Za-z0-9])gl(?:pat|oas|dt|rtr|rt|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[A-Za-z0-9_.-]+",
    r"()whsec_[A-Za-z0-9+/=_-]+",
    # JSON Web Tokens: what an App shows to get its tokens.
    r"()(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
)
_COMPILED: Final = tuple(re.compile(pattern) for pattern in _PATTERNS)


def redact(text: str) -> str:
    """``text`` with every known shape of a credential replaced by ``MARK``.

    Covers GitHub, GitLab and Anthropic tokens, JWTs, ``Bearer`` and ``Basic`` credentials, credential headers, user
    information in URLs and PEM private keys. Doing it twice is doing it once. Takes time linear in the text's length.
    """
    for pattern in _COMPILED:
        text = pattern.sub(rf"\g<1>{MARK}", text)
    return text
