import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolserver.bitcoin.networks import NETWORKS
from poolserver.mining.accounts import AccountRules

REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP173's example programme
MAIN_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
LEGACY_ADDRESS = "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r"  # the same key's hash, as P2PKH

LISTED = AccountRules(NETWORKS["regtest"], frozenset({"demo"}))
ANY = AccountRules(NETWORKS["regtest"], any_account=True)


@pytest.mark.parametrize(
    ("username", "account"),
    [
        ("demo", "demo"),
        ("demo.rig-1", "demo"),
        ("demo.hall.rack.7", "demo"),
        (REGTEST_ADDRESS, REGTEST_ADDRESS),
        (REGTEST_ADDRESS + ".rig", REGTEST_ADDRESS),
    ],
)
def test_the_account_is_what_stands_before_the_first_dot(username: str, account: str) -> None:
    assert LISTED.account_of(username) == account


@pytest.mark.parametrize("username", ["", ".rig", "other", "other.demo", "demo\n", MAIN_ADDRESS])
def test_an_account_that_is_neither_listed_nor_an_address_here_is_refused(username: str) -> None:
    assert LISTED.account_of(username) is None


def test_an_address_in_capitals_is_the_same_account() -> None:
    assert LISTED.account_of(REGTEST_ADDRESS.upper() + ".rig") == REGTEST_ADDRESS


def test_an_address_partly_in_capitals_is_none() -> None:  # BIP173
    assert LISTED.account_of("B" + REGTEST_ADDRESS[1:]) is None
    assert LISTED.account_of("B" + REGTEST_ADDRESS[1:] + "_rig") is None
    assert ANY.account_of("Bcrt1-shed.rig") == "Bcrt1-shed"


def test_with_accounts_any_every_printable_name_is_let_in() -> None:
    assert ANY.account_of("somebody.rig") == "somebody"
    assert ANY.account_of(".rig") is None
    assert ANY.account_of("a\x00b") is None


@pytest.mark.parametrize(
    "username",
    [
        REGTEST_ADDRESS + "_rig",
        REGTEST_ADDRESS + "_",
        REGTEST_ADDRESS + "_rig_7",
        REGTEST_ADDRESS + "_rig.7",
        REGTEST_ADDRESS.upper() + "_rig",
        REGTEST_ADDRESS.upper() + "_RIG",
        LEGACY_ADDRESS + "_rig",
    ],
)
def test_an_address_may_also_stand_before_an_underscore(username: str) -> None:
    address = LEGACY_ADDRESS if username.startswith(LEGACY_ADDRESS) else REGTEST_ADDRESS
    assert LISTED.account_of(username) == address


@pytest.mark.parametrize(
    "username", ["demo_rig", "demo_", "_demo", "_", "_.rig", MAIN_ADDRESS + "_rig"]
)
def test_an_account_never_stands_before_an_underscore(username: str) -> None:
    assert LISTED.account_of(username) is None


def test_an_account_may_hold_underscores() -> None:
    rules = AccountRules(NETWORKS["regtest"], frozenset({"hall_1", REGTEST_ADDRESS + "_own"}))
    assert rules.account_of("hall_1.rig") == "hall_1"
    assert rules.account_of("hall_1_2") is None
    assert rules.account_of("hall.rig") is None
    assert rules.account_of(REGTEST_ADDRESS + "_own.rig") == REGTEST_ADDRESS + "_own"


def test_with_accounts_any_the_account_is_all_before_the_first_dot() -> None:
    assert ANY.account_of("hall_1.rig") == "hall_1"
    assert ANY.account_of(REGTEST_ADDRESS + "_rig.7") == REGTEST_ADDRESS + "_rig"


@pytest.mark.parametrize("rules", [LISTED, ANY])
@pytest.mark.parametrize(
    "username",
    ["demo.\x00", "demo.\x7f", "demo.\x85", "demo\t", "demo.\ud800", "\udfff", "demo.\u2028"],
)
def test_what_is_not_printable_is_refused(rules: AccountRules, username: str) -> None:
    assert rules.account_of(username) is None


@pytest.mark.parametrize("rules", [LISTED, ANY])
def test_a_username_has_at_most_191_bytes(rules: AccountRules) -> None:
    assert rules.account_of("demo." + "r" * 186) == "demo"
    assert rules.account_of("demo." + "r" * 187) is None
    assert rules.account_of("demo." + "\u00e9" * 93) == "demo"  # 191 bytes
    assert rules.account_of("demo." + "\u00e9" * 94) is None
    assert rules.account_of("a" * 1_000_000) is None


@given(st.text(st.characters()) | st.text("._1bcrtqBCRT\ud800\u00e9\U0001f600", max_size=200))
@example(REGTEST_ADDRESS + "_\ud800")
@example("bcrt1_")
@example("_" * 191)
def test_whatever_the_username_it_is_refused_or_has_an_account(username: str) -> None:
    for rules in (LISTED, ANY):
        account = rules.account_of(username)
        assert account is None or 0 < len(account.encode()) <= 191
