"""The live page's files as they are served."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDictProxy

import poolserver
from poolserver.api.live_page import POLICY, live_page_routes

PAGE = Path(poolserver.__file__).parent / "page"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "node_lost.md").write_text("# A node is lost\n")
    app = web.Application()
    app.add_routes(live_page_routes(tmp_path))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def asked(
    url: str, method: str = "GET", **headers: str
) -> tuple[int, CIMultiDictProxy[str], bytes]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=headers) as reply,
    ):
        return reply.status, reply.headers, await reply.read()


@pytest.mark.parametrize(
    ("path", "content_type", "file"),
    [
        ("/", "text/html", "index.html"),
        ("/page/main.js", "text/javascript", "main.js"),
        ("/page/style.css", "text/css", "style.css"),
        ("/page/icon.svg", "image/svg+xml", "icon.svg"),
        ("/page/vendor/uPlot.esm.js", "text/javascript", "vendor/uPlot.esm.js"),
        ("/page/vendor/uPlot.LICENSE", "text/plain", "vendor/uPlot.LICENSE"),
    ],
)
async def test_each_file_has_its_type_and_the_policy(
    server: str, path: str, content_type: str, file: str
) -> None:
    status, headers, body = await asked(server + path, **{"Accept-Encoding": "identity"})
    assert status == 200
    assert body == (PAGE / file).read_bytes()
    assert headers["Content-Type"] == f"{content_type}; charset=utf-8"
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_what_has_not_changed_is_not_sent_again(server: str) -> None:
    _, headers, body = await asked(f"{server}/page/main.js", **{"Accept-Encoding": "gzip"})
    assert gzip.decompress(body) == (PAGE / "main.js").read_bytes()
    etag = headers["ETag"]
    status, _, body = await asked(f"{server}/page/main.js", **{"If-None-Match": etag})
    assert (status, body) == (304, b"")


async def test_nothing_else_is_served(server: str) -> None:
    for path in ("/page/", "/page/nothing.js", "/page/%2e%2e/app.py", "/page/..%2fapp.py"):
        assert (await asked(server + path))[0] == 404
    assert (await asked(f"{server}/page/main.js", "POST"))[0] == 405


async def test_runbooks_are_plain_text_where_they_are_at_hand(server: str) -> None:
    status, headers, body = await asked(
        f"{server}/docs/runbooks/node_lost.md", **{"Accept-Encoding": "identity"}
    )
    assert (status, body) == (200, b"# A node is lost\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    status, _, body = await asked(f"{server}/docs/runbooks/stale_tip.md")
    assert (status, body) == (404, b"It is in the documents: docs/runbooks/stale_tip.md\n")


def test_the_page_has_nothing_that_its_policy_forbids() -> None:
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|https?:", html)
    for module in PAGE.glob("*.js"):
        text = module.read_text()
        forbidden = r"\binnerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(|https?:"
        assert not re.search(forbidden, text), module.name


def test_what_is_vendored_has_its_licence() -> None:
    assert "MIT" in (PAGE / "vendor/uPlot.LICENSE").read_text()


def test_modules_are_short() -> None:
    for module in PAGE.glob("*.js"):
        assert len(module.read_text().splitlines()) < 300, module.name
