"""What every approval page is made of: its frame, its style, and how words of others get into it.

No script, nothing from elsewhere. Whatever is not written here is escaped, and hidden characters are written out.
"""

import base64
import hashlib
import re
from html import escape
from typing import Final

from bot.model.characters import code_point, is_hidden, matching
from bot.report.page_words import NAME

STYLE: Final = """
:root{color-scheme:light dark;--line:#d0d7de;--soft:#f6f8fa;--dim:#57606a;--add:#e6ffec;--del:#ffebe9;--go:#1a7f37;
--link:#0550ae;--mark:#fff8c5;--bad:#9a3412}
@media(prefers-color-scheme:dark){:root{--line:#3d444d;--soft:#161b22;--dim:#9198a1;--add:#12261e;--del:#2d1a1d;
--go:#238636;--link:#6cb6ff;--mark:#4b3a00;--bad:#ffa657}body{background:#0d1117;color:#e6edf3}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,sans-serif;margin:0;padding:0 1rem}
main,header{max-width:62rem;margin:0 auto}
header{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.2rem 1rem;padding:.9rem 0;color:var(--dim);
border-bottom:1px solid var(--line);font-size:.9rem}
main{padding:1.5rem 0 4rem}
main.small{max-width:40rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .4rem}
h2{font-size:1.15rem;margin:2.4rem 0 .8rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.4rem 0 .5rem}
a{color:var(--link)}
p,li,dd,td{overflow-wrap:anywhere}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
code{background:var(--soft);padding:.1em .3em;border-radius:.3em}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.35rem 1.2rem;margin:1.2rem 0}
dt{color:var(--dim)}dd{margin:0}
table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;vertical-align:top;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:600}
.wide{overflow-x:auto}td:first-child{min-width:11rem}label{flex-basis:100%}
details{border:1px solid var(--line);border-radius:.4rem;margin:.7rem 0;overflow:hidden}
summary{padding:.5rem .8rem;background:var(--soft);cursor:pointer;overflow-wrap:anywhere}
pre{margin:0;padding:.6rem 0;overflow-x:auto;tab-size:4}
pre.text{padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);border-radius:.4rem}
pre.diff span{display:block;width:max-content;min-width:100%;padding:0 .8rem}
.a{background:var(--add)}.d{background:var(--del)}.h{color:var(--dim)}
mark{background:var(--mark);color:inherit;border-radius:.2em;padding:0 .2em}
.note{border-left:4px solid var(--line);padding:.6rem 1rem;margin:1.2rem 0;background:var(--soft)}
.bad{border-color:var(--bad)}
.dim{color:var(--dim)}
.acts{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:1rem}
button,.button{font:inherit;font-weight:600;padding:.6rem 1.2rem;border-radius:.4rem;border:1px solid var(--line);
background:var(--soft);color:inherit;cursor:pointer;text-decoration:none;display:inline-block}
.go{background:var(--go);border-color:var(--go);color:#fff}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
@media(max-width:40rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}h1{font-size:1.35rem}
.stack thead{position:absolute;left:-100vw}.stack tr,.stack td{display:block;border:0;padding:.1rem 0}
.stack tr{border-bottom:1px solid var(--line);padding:.6rem 0}.acts button{flex:1}}
"""

_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page: https://www.w3.org/TR/CSP3/ ."""

_SPAN: Final = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_READ: Final = 20_000


def words(text: str, room: int | None = None) -> str:
    """Words of others, cut to ``room`` characters, with every hidden character written out."""
    cut = text if room is None or len(text) <= room else f"{text[: room - 1]}…"
    pattern = None if cut.isascii() and cut.isprintable() else matching(cut, is_hidden)
    if pattern is None:
        return escape(cut)
    done, parts = 0, []
    for found in pattern.finditer(cut):
        parts += [escape(cut[done : found.start()]), f"<mark>{code_point(found[0])}</mark>"]
        done = found.end()
    return "".join([*parts, escape(cut[done:])])


def code(text: str, room: int = 300) -> str:
    """A name, a path, a commit."""
    return f"<code>{words(text, room)}</code>"


def prose(text: str, room: int = 2_000) -> str:
    """A sentence in which words between backticks are code."""
    text = text[: min(room, _READ)]
    done, parts = 0, []
    for found in _SPAN.finditer(text):
        parts += [words(text[done : found.start()]), code(found[2].strip())]
        done = found.end()
    return "".join([*parts, words(text[done:])])


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of prose."""
    return f"<p{_class(kind)}>{prose(text)}</p>"


def note(body: str, *, bad: bool = False) -> str:
    """Something to be seen first."""
    return f'<div class="note{" bad" if bad else ""}" role="status">{body}</div>'


def link(address: str, text: str, kind: str = "") -> str:
    """A link; what is not http leads nowhere."""
    if not address.startswith(("https://", "http://", "/", "#")):
        return words(text)
    return f'<a{_class(kind)} href="{escape(address)}" rel="noreferrer">{words(text)}</a>'


def facts(rows: list[tuple[str, str]]) -> str:
    """Names and what they stand for, which is HTML already."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows if value) + "</dl>"


def page(title: str, body: str, *, who: str = "", again: bool = False, small: bool = False) -> str:
    """A whole page; with ``again`` the browser looks again in a moment."""
    refresh = '<meta http-equiv="refresh" content="3">' if again else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}'
        f"<title>{words(title, 120)} · {NAME}</title><style>{STYLE}</style></head>\n"
        f"<body><header><span>{NAME}</span><span>{who}</span></header>\n"
        f"<main{_class('small' if small else '')}><h1>{words(title, 120)}</h1>\n{body}\n</main></body></html>\n"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
