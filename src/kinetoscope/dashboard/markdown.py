"""Markdown into HTML that has a table of contents, anchors, coloured code and links that lead on.

HTML in a text is shown, not meant. Links to other guides lead to their pages; those to files that
this server does not show become plain text.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from kinetoscope.dashboard.render import icon
from kinetoscope.dashboard.snippets import block

Href = Callable[[str], str | None]
"""Says where a link leads here; None where it leads nowhere."""

LISTED_LEVELS = {"h2": 2, "h3": 3}

SCROLL_OPEN = '<div class="scroll prose-table" tabindex="0"><table>'
ANCHOR = Markup('<a class="anchor" href="#{}" aria-label="Link to: {}">{}</a>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A place within a page."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text as a page shows it; its title stands apart, and is not in `html`."""

    title: str
    html: Markup
    contents: tuple[Heading, ...]


def written(text: str, href: Href) -> Written:
    """Return a whole document."""
    tokens = parser().parse(text)
    title, tokens = _title(tokens)
    contents = _anchored(tokens)
    _link(tokens, href)
    html = parser().renderer.render(tokens, parser().options, {})
    return Written(title=title, html=Markup(html), contents=tuple(contents))  # noqa: S704 - html off


def inline(text: str) -> Markup:
    """Return a sentence or a few with their code and emphasis."""
    return Markup(parser().renderInline(text))  # noqa: S704 - html off


def blocks(text: str) -> Markup:
    """Return paragraphs and lists."""
    return Markup(parser().render(text))  # noqa: S704 - html off


@cache
def parser() -> MarkdownIt:
    """Return the one parser."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.add_render_rule("fence", _fence)
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", _table_close)
    return made


def anchor_of(text: str) -> str:
    """Return a heading's anchor as forges make it, so that links between the files hold."""
    kept = re.sub(r"[^\w\- ]", "", text.strip().lower())
    return kept.replace(" ", "-")


def _title(tokens: list[Token]) -> tuple[str, list[Token]]:
    if tokens and tokens[0].tag == "h1":
        return _plain(tokens[1]), tokens[3:]
    return "", tokens


def _plain(token: Token) -> str:
    """Return what a heading says, without its marks."""
    return "".join(child.content for child in token.children or ())


def _anchored(tokens: list[Token]) -> list[Heading]:
    """Give every heading its anchor; return those that the contents list."""
    found: list[Heading] = []
    seen: Counter[str] = Counter()
    for opening, content in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = _plain(content)
        anchor = anchor_of(text)
        seen[anchor] += 1
        if seen[anchor] > 1:
            anchor = f"{anchor}-{seen[anchor] - 1}"
        opening.attrSet("id", anchor)
        mark = Token("html_inline", "", 0, content=ANCHOR.format(anchor, text, icon("link")))
        content.children = [*(content.children or ()), mark]
        if opening.tag in LISTED_LEVELS:
            found.append(Heading(level=LISTED_LEVELS[opening.tag], anchor=anchor, text=text))
    return found


def _link(tokens: list[Token], href: Href) -> None:
    for token in tokens:
        children, ends = [], list[bool]()
        for child in token.children or ():
            if child.type == "link_open":
                leads_to = href(str(child.attrGet("href") or ""))
                ends.append(leads_to is not None)
                if leads_to is not None:
                    child.attrSet("href", leads_to)
                    children.append(child)
            elif child.type == "link_close":
                if ends.pop():
                    children.append(child)
            else:
                children.append(child)
        token.children = children or token.children


def _fence(
    _renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    _options: Any,  # noqa: ANN401 - markdown-it's own
    _env: MutableMapping[str, Any],
) -> str:
    token = tokens[index]
    return block(token.content.rstrip("\n"), token.info.strip())


def _table_open(*_given: object) -> str:
    return SCROLL_OPEN


def _table_close(*_given: object) -> str:
    return "</table></div>"
