"""A plain HTML page of our own: one style sheet inline, no script, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape

STYLE = """
:root{color-scheme:light dark;--ink:#1d1d1f;--soft:#5b5b62;--paper:#fff;--edge:#d9d9de;--go:#0b5bd3}
@media (prefers-color-scheme:dark){
:root{--ink:#ececf0;--soft:#a5a5ae;--paper:#141416;--edge:#34343a;--go:#7db1ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:60rem;
background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}
a{color:var(--go)}
h1{line-height:1.2;margin-bottom:.3rem}h2{margin-top:2rem}
.soft{color:var(--soft)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.45rem .8rem .45rem 0;
border-bottom:1px solid var(--edge)}
pre{overflow-x:auto;padding:1rem;border:1px solid var(--edge);border-radius:.5rem}
code{font-family:ui-monospace,monospace;font-size:.9em}
"""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'",
    "Referrer-Policy": "no-referrer",
}
"""What a browser may do for such a page: show it, in this style."""

HTML = "text/html; charset=utf-8"


def page(title: str, body: Iterable[str]) -> bytes:
    """Return a whole page; `title` is plain text, `body` is HTML."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{"".join(body)}
</body>
</html>
""".encode()


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of HTML cells; the first of each row is its head."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    content = "".join(_row(cells) for cells in rows)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{content}</tbody></table></div>"
    )


def _row(cells: Iterable[str]) -> str:
    first, *rest = cells
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
