"""Who may tell the pool what."""

from base64 import urlsafe_b64decode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.api.tokens import MOST_CHARACTERS, Token, Tokens, hash_of, new_token


def test_a_token_has_256_random_bits_and_is_kept_as_its_hash() -> None:
    made = new_token()
    assert len(urlsafe_b64decode(made + "=")) == 32
    assert made != new_token()
    assert hash_of(made) == sha256(made.encode()).hexdigest()


ALICE, BOB = (
    Token(name, hash_of(name), frozenset({"budget"}), nodes)
    for name, nodes in (("alice", ("/",)), ("bob", ("Sahiwal/T2", "Port Qasim")))
)
TOKENS = Tokens([ALICE, BOB])


def test_whoever_has_a_token_is_found_by_it() -> None:
    assert TOKENS.find("Bearer alice") is ALICE
    assert TOKENS.find("bearer  bob ") is BOB


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer carol",
        "Basic alice",
        "alice",
        "Bearer alice bob",
        f"Bearer {ALICE.sha256_hex}",
        "Bearer " + "a" * (MOST_CHARACTERS + 1),
    ],
)
def test_nobody_else_is(header: str) -> None:
    assert TOKENS.find(header) is None


@given(header=st.text())
def test_any_text_is_nobodys(header: str) -> None:
    assert TOKENS.find(header) is None


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/", False),
        ("Sahiwal", False),
        ("Sahiwal/T2", True),
        ("Sahiwal/T2/c04", True),
        ("Sahiwal/T20", False),
        ("Port Qasim", True),
        ("Port Qasim/F1", True),
    ],
)
def test_a_token_speaks_for_its_nodes_and_all_below_them(path: str, may: bool) -> None:
    assert BOB.may_speak_for(path) is may
    assert ALICE.may_speak_for(path)
