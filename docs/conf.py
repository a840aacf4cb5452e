"""How the documents become a site: ``make docs``. They are written to be read on GitHub as well.

So there are no Sphinx directives in them. Each README.md is the contents of its folder: the links
below a heading of it are, in their order, a part of the site's menu.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent

project = "poolserver"
copyright = "the poolserver authors"
release = re.findall(r'__version__ = "(.+)"', (DOCS.parent / "poolserver/__init__.py").read_text())[
    0
]

extensions = ["myst_parser"]
root_doc = "README"
exclude_patterns = ["images/*"]
myst_heading_anchors = 4  # made as GitHub makes them, so `file.md#heading` is checked
nitpicky = True

html_theme = "furo"  # has its fonts and scripts with it: the site asks nobody for anything
html_title = f"poolserver {release}"
html_copy_source = False
html_show_sphinx = False
html_additional_pages = {"index": "first.html"}
templates_path = ["_templates"]
html_theme_options = {"top_of_page_buttons": []}

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def prepare(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the contents of a folder their menu, and links that leave the documents no target."""
    here = DOCS / Path(docname).parent
    parts = ["", *HEADING.split(source[0])]  # heading, text, heading, text...
    is_contents = docname.rpartition("/")[2] == "README"
    menus = [
        menu_of(caption, text)
        for caption, text in zip(parts[::2], parts[1::2], strict=True)
        if is_contents and ".md)" in text
    ]

    def shown(link: re.Match[str]) -> str:
        label, target = link[1], os.path.normpath(here / link[2])
        if Path(target).is_relative_to(DOCS):
            return link[0]
        return f"{label} (`{os.path.relpath(target, DOCS.parent)}`)"

    source[0] = "\n".join([LINK.sub(shown, source[0]), *menus])


def menu_of(caption: str, text: str) -> str:
    """The toctree of the documents that a part links to, by each one's first link."""
    targets = [link[2] for link in LINK.finditer(text)]
    pages = dict.fromkeys(t for t in targets if t.endswith(".md") and not t.startswith("../"))
    title = [f":caption: {caption}"] if caption else []
    return "\n".join(["", "```{toctree}", ":hidden:", *title, "", *pages, "```"])


def setup(app: Sphinx) -> None:
    app.connect("source-read", prepare)
