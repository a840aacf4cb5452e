"""Bearer tokens (RFC 6750): who may tell the pool what, about which nodes.

A token is 256 random bits, so a plain SHA-256 of it gives nothing away and there is nothing to
guess: a slow password hash would protect what people make up, and this is not made up.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Literal

from poolserver.power.tree import PROGRAMME

TOKEN_BYTES = 32

# One of ours has 43 characters; what is much longer need not be hashed.
MOST_CHARACTERS = 200

Scope = Literal["read", "budget", "ai-load", "meter", "mapping", "reload"]
"""``read`` is all that is shown; each other one is for a kind of write, and reads nothing."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was given out, by its hash."""

    name: str
    sha256_hex: str
    scopes: frozenset[Scope]
    nodes: tuple[str, ...]
    """Paths; each stands for all below it too."""
    not_after_s: float | None = None
    """Until when it is good, in Unix seconds; None: for ever."""

    def may_speak_for(self, path: str) -> bool:
        return any(node in (PROGRAMME, path) or path.startswith(f"{node}/") for node in self.nodes)


class Tokens:
    """All tokens that were given out."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._tokens = tuple(tokens)

    def find(self, authorization: str) -> Token | None:
        """Whose token an ``Authorization`` header holds. It takes as long whoever's it is."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(given) > MOST_CHARACTERS:
            return None
        hashed = hash_of(given.strip())
        found = None
        for token in self._tokens:
            if compare_digest(token.sha256_hex, hashed):
                found = token
        return found


def new_token() -> str:
    """One that nobody has."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """What is kept of a token: its SHA-256, in hex."""
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
