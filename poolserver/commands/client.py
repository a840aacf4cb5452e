"""What commands ask of a running pool, by its HTTP API, and what they say if it does not tell.

By ``http.client``: a command that asks once is done before aiohttp would be imported.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import click
import msgspec

from poolserver.commands.common import EXIT_FAILED, EXIT_NOT_REACHED, EXIT_USAGE, fail, load
from poolserver.commands.texts import clean

if TYPE_CHECKING:
    from poolserver.config import Config

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

URL_VARIABLE = "POOLSERVER_URL"
TOKEN_VARIABLE = "POOLSERVER_TOKEN"  # noqa: S105 - its name
USUAL_URL = "http://127.0.0.1:9333"
"""Where a pool listens that is told nothing else."""
ANSWER_TIMEOUT_S = 5.0
MOST_BYTES = 64 << 20
"""Of an answer. A tree of 10,000 nodes is some 10 MB."""
PAGE_ITEMS = 1000
"""That the API gives at once at the most."""


class AskError(Exception):
    """The pool does not tell; the text says why and what to do, for people."""

    def __init__(self, text: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class _Page(msgspec.Struct):
    items: msgspec.Raw
    next: str | None = None
    total: int | None = None


class _Problem(msgspec.Struct):
    """See api/problem.py."""

    title: str = ""
    detail: str = ""
    errors: tuple[str, ...] = ()


class Found(NamedTuple):
    """The items that were asked for, the first ones of ``total`` if that is known."""

    items: list[Any]
    total: int | None


class Pool:
    """A pool's HTTP API at ``url``. ``whence`` says where the url is from."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        whence: str = "--url",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._whence = whence
        self._timeout_s = timeout_s
        try:
            self._parts = urlsplit(self.url)
            known = self._parts.scheme in ("http", "https") and self._parts.port != 0
            known = known and bool(self._parts.hostname)
            (self._parts.hostname or "").encode("idna")
        except ValueError:
            known = False
        if not known:
            raise AskError(f"{url} is no address like {USUAL_URL} ({whence})", EXIT_USAGE)

    def get(self, what: str, kind: type[T], **parameters: object) -> T:
        """The answer to a call. Parameters that are None are left out.

        Raises:
            AskError: it does not answer, or something else.
        """
        return self._call("GET", what, kind, parameters)

    def post(self, what: str, kind: type[T], **parameters: object) -> T:
        """The answer to a wish, as ``get``.

        Raises:
            AskError: it does not answer, or it refuses.
        """
        return self._call("POST", what, kind, parameters)

    def _call(self, method: str, what: str, kind: type[T], parameters: Mapping[str, object]) -> T:
        given = {name: value for name, value in parameters.items() if value is not None}
        call = f"{self._parts.path}/api/v1/{what}" + (
            f"?{urlencode(given, errors='replace')}" if given else ""
        )
        status, body = self._ask(method, call)
        if status not in (200, 202):
            raise self._refused(status, body, what)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise AskError(
                f"{self.url} is no pool of this version: {what} gives something else ({error})"
            ) from error

    def items(self, what: str, kind: type[Any], limit: int | None, **parameters: object) -> Found:
        """The first ``limit`` items of a list, or all: read page by page.

        Raises:
            AskError: it does not answer, or something else.
        """
        found: list[Any] = []
        cursor: str | None = None
        total: int | None = None
        while limit is None or len(found) < limit:
            wanted = PAGE_ITEMS if limit is None else min(PAGE_ITEMS, limit - len(found))
            page = self.get(what, _Page, limit=wanted, cursor=cursor, **parameters)
            found += msgspec.json.decode(page.items, type=list[kind])  # type: ignore[valid-type]
            total = page.total if total is None else total
            cursor = page.next
            if cursor is None:
                break
        return Found(found, total)

    def _ask(self, method: str, call: str) -> tuple[int, bytes]:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        assert self._parts.hostname is not None
        connection = kind(self._parts.hostname, self._parts.port, timeout=self._timeout_s)
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, call, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read(MOST_BYTES)
        except HTTPException as error:
            text = f"what answers at {self.url} is no HTTP server: {self._whence}"
            raise AskError(text, EXIT_NOT_REACHED) from error
        except OSError as error:
            reason = f"{error.strerror or error}".strip().lower()
            raise AskError(
                f"nothing answers at {self.url} ({reason}): is the pool running? {self._whence}",
                EXIT_NOT_REACHED,
            ) from error
        finally:
            connection.close()

    def _refused(self, status: int, body: bytes, what: str) -> AskError:
        try:
            problem = msgspec.json.decode(body, type=_Problem)
            told = "\n".join(map(clean, problem.errors)) or clean(problem.detail or problem.title)
        except (msgspec.DecodeError, RecursionError):
            told = clean(body[:200].decode(errors="replace").strip().split("\n")[0])
        if status == 401:
            scope = "reload" if what == "reload" else "read"
            where = f"{TOKEN_VARIABLE} or --token-file"
            if self._token:
                return AskError(
                    f"{self.url} does not take the token of {where}: it has none like it, or it "
                    f"has ended. It needs one with the scope {scope}"
                )
            return AskError(f"{self.url} wants a token with the scope {scope}: give it by {where}")
        return AskError(told or f"{self.url} answers {status} to {what}")


def pool_options(config_says: str) -> Callable[[F], F]:
    """The options by which a pool is found: ``path``, ``url`` and ``token_file``."""

    def add(function: F) -> F:
        for option in (
            click.option(
                "--token-file",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help=f"Holds a token, where one is needed. [{TOKEN_VARIABLE}]",
            ),
            click.option("--url", help=f"Of the pool's server. [{URL_VARIABLE}, or {USUAL_URL}]"),
            click.option(
                "--config",
                "path",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help=config_says,
            ),
        ):
            function = option(function)
        return function

    return add


def asks_pool(function: Callable[..., None]) -> Callable[..., None]:
    """A command that is given its ``pool``, and fails in one line if that does not tell."""

    @pool_options("The pool's configuration: its http.address is asked.")
    @wraps(function)
    def command(path: Path | None, url: str | None, token_file: Path | None, **rest: Any) -> None:
        with telling():
            function(pool=find_pool(path, url, token_file), **rest)

    return command


@contextmanager
def telling() -> Iterator[None]:
    """Ends the process with what an AskError says."""
    try:
        yield
    except AskError as error:
        fail(str(error), error.exit_code)


def find_pool(
    path: Path | None,
    url: str | None,
    token_file: Path | None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Pool:
    """The pool that is meant: by ``url``, else by a configuration, else by the environment.

    Raises:
        AskError: the url is none, or the token cannot be read.
    """
    token = _token(token_file)
    if url is not None:
        whence = "--url is what is asked"
    elif path is not None:
        url, whence = url_of(load(path)), f"http.address of {path} is what is asked"
    elif url := os.environ.get(URL_VARIABLE):
        whence = f"{URL_VARIABLE} is what is asked"
    else:
        url, whence = USUAL_URL, "--config or --url says where else to ask"
    return Pool(url, token, whence, timeout_s)


def _token(path: Path | None) -> str | None:
    token = os.environ.get(TOKEN_VARIABLE)
    if path is not None:
        try:
            token = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AskError(f"{path} cannot be read: {error}", EXIT_USAGE) from error
    if token and not (token.isascii() and token.isprintable()):
        raise AskError("the token is not text in ASCII", EXIT_USAGE)  # nor shown
    return token


def url_of(config: "Config") -> str:
    """Of the pool's own HTTP server, as it is reached from this machine."""
    host, port = config.http.address
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"
