import pytest

from poolserver.bitcoin.networks import NETWORKS
from poolserver.mining.accounts import AccountRules

REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP173's example programme
MAIN_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"

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


def test_with_accounts_any_every_printable_name_is_let_in() -> None:
    assert ANY.account_of("somebody.rig") == "somebody"
    assert ANY.account_of(".rig") is None
    assert ANY.account_of("a\x00b") is None
