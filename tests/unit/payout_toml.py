"""Configurations that share a block out, and whom they pay."""

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
