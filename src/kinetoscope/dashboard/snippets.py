"""Code that is shown: coloured here on the server, and copied with one press."""

from functools import lru_cache

import pygments  # type: ignore[import-untyped]
from markupsafe import Markup
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

from kinetoscope.api import snippets
from kinetoscope.api.samples import order_example
from kinetoscope.catalog.model import Model
from kinetoscope.dashboard.render import icon

LEXERS = {
    "bash": "bash",
    "sh": "bash",
    "console": "console",
    "js": "javascript",
    "json": "json",
    "py": "python",
    "python": "python",
    "toml": "toml",
}
"""What code is written in, by the word behind a fence."""

CLI_FIRST = "# pip install 'kinetoscope[client]', and the key in KINETOSCOPE_KEY\n"

BLOCK = Markup(
    '<div class="snippet"><pre tabindex="0"><code class="hl">{}</code></pre>'
    '<button type="button" class="btn copy" data-variant="ghost" data-size="icon-sm" '
    'data-copy="{}" aria-label="Copy the code" title="Copy">{}</button></div>'
)


@lru_cache(maxsize=1024)
def highlighted(text: str, language: str) -> Markup:
    """Return code with its parts marked by class; `learn.css` says which colours they have."""
    if language not in LEXERS:
        return Markup("{}").format(text)
    lexer = get_lexer_by_name(LEXERS[language], stripnl=False)
    marked = pygments.highlight(text, lexer, HtmlFormatter(nowrap=True))
    return Markup(marked.rstrip("\n"))  # noqa: S704 - Pygments escapes what it marks


def block(text: str, language: str = "") -> Markup:
    """Return code in a box of its own."""
    return BLOCK.format(highlighted(text, language), text, icon("copy"))


def of_model(model: Model, public_url: str) -> list[tuple[str, Markup]]:
    """Return requests to copy for a model, each with the name of its language."""
    order = order_example(model)
    return [
        ("cURL", block(snippets.curl(order, public_url), "sh")),
        ("Python", block(snippets.python(order, public_url), "python")),
        ("JavaScript", block(snippets.javascript(order, public_url), "js")),
        ("CLI", block(CLI_FIRST + snippets.command(order, public_url, indent=2), "sh")),
    ]
