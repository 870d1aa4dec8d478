"""Notes in Markdown, made harmless."""

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS = {
    "p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "a", "blockquote", "h3", "h4", "h5", "h6", "hr",
    "table", "thead", "tbody", "tr", "th", "td", "del",
}  # fmt: skip


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


@lru_cache(maxsize=512)
def to_html(text: str) -> SafeString:
    """HTML of a Markdown text, only tags that format text, links that tell nobody where they came from."""
    html = _parser().render(text.replace("\n# ", "\n### ").removeprefix("# "))
    clean = nh3.clean(html, tags=TAGS, attributes={"a": {"href"}}, link_rel="noopener noreferrer nofollow")
    return mark_safe(clean)  # noqa: S308 - cleaned by nh3 above
