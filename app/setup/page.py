"""The pages of a set-up, and every sentence on them. No script, nothing from elsewhere, everything escaped."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from app.setup.session import Refusal

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.2rem;margin:1.5rem 0}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
button,.next{display:inline-block;font:inherit;font-weight:600;padding:.6rem 1.2rem;border:0;border-radius:.4rem;
background:#1f6feb;color:#fff;cursor:pointer;text-decoration:none}
.note{opacity:.8}
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

_REFUSED: Final[Mapping[Refusal, tuple[str, str]]] = {
    Refusal.WRONG_LINK: ("This is not the link of the set-up that runs now.", "Take the link from the terminal."),
    Refusal.LINK_USED: (
        "The link was opened before, and works once.",
        "If that was not you, end the command with Ctrl-C. Then start it again.",
    ),
    Refusal.LINK_EXPIRED: ("The link is older than ten minutes.", "Start the command again."),
    Refusal.OTHER_BROWSER: (
        "This browser did not open the link of this set-up, or kept no cookie.",
        "Go on in the browser in which the link was opened, or start the command again.",
    ),
    Refusal.WRONG_STATE: (
        "This answer does not belong to this set-up, so it was not used.",
        "Go back to the first page and press the button there.",
    ),
    Refusal.ANSWERED: ("GitHub's answer was used already.", "The terminal says how it ended."),
    Refusal.EXPIRED: (
        "More than an hour has gone by.",
        "Start the command again. If GitHub made an App meanwhile, delete it there first.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is sent to GitHub, where to, and what the person is told of it."""

    action: str
    manifest: str
    facts: Sequence[tuple[str, str]]


def policy(form_action: str = "'none'") -> str:
    """The Content-Security-Policy of a page whose form, if it has one, goes to ``form_action``."""
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def form_page(form: Form) -> str:
    """The first page: what will be registered, and the button that goes to GitHub with it."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in form.facts)
    return _page(
        "Register the GitHub App",
        "<p>GitHub will ask you to confirm this. It then sends you back here, and FlowForge fetches the App's "
        "secrets by itself. You never see them.</p>"
        f"<dl>{facts}</dl>"
        f'<form action="{escape(form.action)}" method="post">'
        f'<input type="hidden" name="manifest" value="{escape(form.manifest)}">'
        "<button>Continue on GitHub</button></form>"
        '<p class="note">The name can be changed on GitHub\'s page; two Apps of one GitHub never share one.</p>',
    )


def done_page(*, slug: str, install: str, place: str) -> str:
    """The last page: the App is there, and where to install it."""
    return _page(
        "The App is registered",
        f"<p><strong>{escape(slug)}</strong> is there. Its secrets are kept as {escape(place)}.</p>"
        "<p>Install it on the repositories that FlowForge is to work in, then go back to the terminal.</p>"
        f'<p><a class="next" href="{escape(install)}" rel="noreferrer">Install the App</a></p>',
    )


def refused_page(refusal: Refusal) -> str:
    """Why a request is not served, and what to do."""
    return failed_page(*_REFUSED[refusal])


def failed_page(says: str, todo: str) -> str:
    """What went wrong, and what to do."""
    return _page("This did not work", f"<p>{escape(says)}</p><p>{escape(todo)}</p>")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · FlowForge</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
