"""What MkDocs asks when it builds the book: the decisions are listed, and links from pages to files beside them lead to the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Add the pages of decisions to the navigation; returns the configuration.

    Args:
        config: MkDocs's.
    """
    pages = sorted(path.relative_to(DOCS).as_posix() for path in (DOCS / "design").glob("[0-9]*.md"))
    why = next(part["Why"] for part in config.nav if "Why" in part)
    why.append({"Decisions": pages})
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Have links that leave the book lead to the repository.

    Args:
        markdown: of the page.
        page: MkDocs's.
        config: MkDocs's.
    """
    folder = (DOCS / page.file.src_uri).parent

    def moved(link: re.Match[str]) -> str:
        path = (folder / link[1]).resolve()
        if path.is_relative_to(DOCS) and path.is_file():
            return link[0]
        inside = path.relative_to(DOCS.parent).as_posix()
        return f"]({config.repo_url.rstrip('/')}/{'tree' if path.is_dir() else 'blob'}/main/{inside}{link[2] or ''})"

    return _LINK.sub(moved, markdown)
