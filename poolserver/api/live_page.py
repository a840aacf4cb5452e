"""The live page: files that are read once and served as they are.

Nothing secret is in them: what they show comes from the API, which asks who reads it. All else that
a page could do in a browser is forbidden by its policy (Content Security Policy, level 3): scripts,
styles and data come from this server, and from nowhere else.
"""

import gzip
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from aiohttp import web

FOLDER = "/page"
RUNBOOKS = Path(__file__).parents[1] / "page/runbooks"

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain",
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Each time it is asked whether there is a newer one: after an upgrade no old module may stay.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, plain and packed."""

    content_type: str
    body: bytes
    packed: bytes
    etag: str


def live_page_routes(runbooks: Path = RUNBOOKS) -> list[web.RouteDef]:
    """``/``, what it is made of, below FOLDER, and the runbooks that troubles lead to."""
    assets = dict(_assets(files("poolserver") / "page", FOLDER))
    paths = {"/": assets[f"{FOLDER}/index.html"], **assets}
    for path in runbooks.glob("*.md"):
        paths[f"/docs/runbooks/{path.name}"] = _asset("text/plain", path.read_bytes())
    served = [web.get(path, _serving(asset)) for path, asset in paths.items()]
    return [*served, web.get("/docs/runbooks/{name}", _elsewhere)]


async def _elsewhere(request: web.Request) -> web.Response:
    """Where the documents are not beside the program, as in a wheel."""
    return web.Response(
        status=404, headers=HEADERS, text=f"It is in the documents: {request.path[1:]}\n"
    )


def _assets(folder: Traversable, path: str) -> Iterator[tuple[str, Asset]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _assets(each, f"{path}/{each.name}")
        elif content_type := TYPES.get(f".{each.name.rpartition('.')[2]}"):
            yield f"{path}/{each.name}", _asset(content_type, each.read_bytes())


def _asset(content_type: str, body: bytes) -> Asset:
    return Asset(content_type, body, gzip.compress(body), sha256(body).hexdigest()[:32])


def _serving(asset: Asset) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
        # Weak: it names both forms (RFC 9110, 8.8.1).
        headers = {**HEADERS, "ETag": f'W/"{asset.etag}"'}
        if asset.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=asset.packed if is_packed else asset.body,
            content_type=asset.content_type,
            charset="utf-8",
            headers=headers,
        )

    return serve
