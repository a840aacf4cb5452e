"""A look at a Bitcoin node before a pool is told of it: is it there, and on which network."""

import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from poolserver.bitcoin.networks import NETWORKS

TIMEOUT_S = 3.0


class Probe(NamedTuple):
    """What was found, for people; ``is_good`` if a pool could work with it now."""

    is_good: bool
    text: str


def login_of_cookie(path: Path) -> str:
    """``user:password``, as the node wrote it.

    Raises:
        OSError: the file cannot be read.
    """
    return path.expanduser().read_text("utf-8", errors="replace").strip()


def probe(url: str, login: str, network: str) -> Probe:
    """Ask the node for its chain. ``url`` has been checked; ``login`` is ``user:password``."""
    try:
        status, body = _ask(url, login)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Probe(False, f"no node answers at {url} ({reason.lower()}): is bitcoind running?")
    if status in (401, 403):
        return Probe(False, f"the node at {url} does not take this login")
    try:
        told = json.loads(body)["result"]
        chain, blocks, headers = str(told["chain"]), int(told["blocks"]), int(told["headers"])
    except (ValueError, KeyError, TypeError):
        return Probe(False, f"{url} answers {status}, but not as a Bitcoin node does")
    if chain != NETWORKS[network].chain:
        return Probe(False, f"the node at {url} is on {chain}, not on {network}")
    if told.get("initialblockdownload") is True and network != "regtest":
        text = f"the node is still loading the chain: block {blocks:,} of {headers:,}"
        return Probe(False, f"{text}; it gives templates once it has all")
    return Probe(True, f"the node answers: {network}, height {blocks:,}")


def _ask(url: str, login: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = kind(parts.hostname, port, timeout=TIMEOUT_S)
    try:
        connection.request(
            "POST",
            parts.path or "/",
            json.dumps({"id": 1, "method": "getblockchaininfo", "params": []}),
            {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"},
        )
        reply = connection.getresponse()
        return reply.status, reply.read(1 << 20)
    finally:
        connection.close()
