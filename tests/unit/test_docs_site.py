"""The documents build as a site without a warning, and the site asks nobody for anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from poolserver import __version__

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

# What a browser fetches by itself. A link that a person may follow is <a href>, and not among them.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|embed|object|video|audio)\b[^>]*?\b(?:src|srcset|data)=\"([^\"]*)\""
    r"|<link\b[^>]*?\bhref=\"([^\"]*)\"|@import\s+[^;]*|url\(\s*[\"']?((?:https?:)?//[^)]*)\)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", folder / "doctrees", DOCS, folder / "html"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr  # every page in a menu, every link and heading there
    return folder / "html"


@pytest.mark.slow
def test_every_page_is_there_and_the_first_one_leads_to_the_contents(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").exists(), page
    assert 'url=README.html"' in (site / "index.html").read_text()
    assert f"poolserver {__version__}</title>" in (site / "share.html").read_text()


@pytest.mark.slow
def test_a_browser_fetches_nothing_from_elsewhere(site: Path) -> None:
    looked_at = [path for path in site.rglob("*") if path.suffix in {".html", ".css", ".svg"}]
    assert len(looked_at) > 50
    outside = {
        (path.name, target)
        for path in looked_at
        for targets in FETCHED.findall(path.read_text())
        for target in targets
        if "//" in target and not target.startswith("data:")
    }
    assert outside == set()


@pytest.mark.slow
def test_nothing_of_sphinx_shows_in_a_page(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert "{toctree}" not in path.read_text(), path


def test_pages_have_no_directives_so_they_read_well_anywhere() -> None:
    assert [path for path in DOCS.rglob("*.md") if "```{" in path.read_text()] == []


def test_the_contents_name_no_page_twice() -> None:
    pages = re.findall(r"\]\(([\w/-]+\.md)\)", (DOCS / "README.md").read_text())
    assert sorted(pages) == sorted(set(pages))
