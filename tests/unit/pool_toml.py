"""The shortest configuration that a pool can be made of, for tests to add to."""

POOL_TOML = """
network = "regtest"
[payout]
address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
[[nodes]]
url = "http://127.0.0.1:18443"
username = "u"
password = "p"
[[listeners]]
address = "127.0.0.1:3333"
"""
