"""What `poolserver payouts` says of a job."""

import io
from pathlib import Path

import pytest
from bitcoin.base58 import CBase58Data
from rich.console import Console

from poolserver.config import parse_config
from poolserver.outfit import trial_factory
from poolserver.payouts import Basis, Payouts, payouts_of
from poolserver.payouts_table import payouts_table
from tests.unit.solving import CURTIME, template

OPERATOR = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
OTHER = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
THIRD = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
CONFIG = """
network = "regtest"
[payout]
address = "{operator}"
{payout}
[[nodes]]
url = "http://127.0.0.1:18443"
cookie_file = "c"
[[listeners]]
address = "127.0.0.1:3333"
"""
SPLIT = f"""
scheme = "split"
fee_basis_points = 150
[[payout.shares]]
name = "north"
address = "{OTHER}"
weight = 3
[[payout.shares]]
name = "south"
address = "{THIRD}"
weight = 1
"""


def told(payout: str = "") -> Payouts:
    text = CONFIG.format(operator=OPERATOR, payout=payout)
    config = parse_config(text, source="test", folder=Path("/"), environ={})
    factory = trial_factory(config)
    basis = Basis(config.payout_plan)
    return payouts_of(config, basis, factory.classes.sizes, factory.make(template(), CURTIME))


def test_solo_pays_all_of_it_to_the_operator() -> None:
    payouts = told()
    (coinbase,) = payouts.coinbases
    assert coinbase.for_sizes == [500, 750, 2_250, 6_500, 16_000]
    assert [(each.address, each.value_sat) for each in coinbase.outputs] == [
        (OPERATOR, 5_000_000_000)
    ]
    assert coinbase.payments == []


def test_split_pays_each_share_and_the_fee() -> None:
    payouts = told(SPLIT)
    (coinbase,) = payouts.coinbases
    assert payouts.fee_sat == 75_000_000
    assert [(each.address, each.value_sat) for each in coinbase.outputs] == [
        (OPERATOR, 75_000_000),
        (OTHER, 3_693_750_000),
        (THIRD, 1_231_250_000),
    ]
    assert [(each.name, each.due_sat, each.unpaid_sat) for each in coinbase.payments] == [
        ("north", 3_693_750_000, 0),
        ("south", 1_231_250_000, 0),
    ]


def test_rigs_with_little_room_leave_some_unpaid() -> None:
    many = SPLIT + "".join(SHARE.format(n=n, address=each) for n, each in addresses(12))
    payouts = told(many)
    small, large = payouts.coinbases
    assert (small.for_sizes, large.for_sizes) == ([500], [750, 2_250, 6_500, 16_000])
    assert 450 < small.size <= 500 < large.size
    assert sum(each.unpaid_sat for each in small.payments) > 0
    assert sum(each.unpaid_sat for each in large.payments) == 0
    for coinbase in payouts.coinbases:
        assert sum(each.value_sat for each in coinbase.outputs) == payouts.value_sat
        assert sum(each.due_sat for each in coinbase.payments) + payouts.fee_sat == (
            payouts.value_sat
        )


SHARE = '[[payout.shares]]\nname = "t{n}"\naddress = "{address}"\nweight = {n}\n'


def addresses(count: int) -> list[tuple[int, str]]:
    """So many different addresses of regtest, each with a weight."""
    return [
        (n, str(CBase58Data.from_bytes(n.to_bytes(20, "big"), 0x6F))) for n in range(5, 5 + count)
    ]


@pytest.mark.parametrize("payout", ["", SPLIT])
def test_the_table_has_each_payee_and_the_operator(payout: str) -> None:
    written = io.StringIO()
    Console(file=written, width=160).print(payouts_table(told(payout)))
    text = written.getvalue()
    assert "Block 101 of regtest would pay 50.00000000 BTC" in text
    assert OPERATOR in text
    assert ("north" in text) == bool(payout)
    assert "rigs of 500 to 16,000 B" in text
