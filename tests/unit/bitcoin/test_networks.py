"""The table of networks."""

from poolserver.bitcoin.networks import MAIN, NETWORKS, REGTEST, SIGNET, TESTNET4


def test_each_network_stands_under_its_own_name() -> None:
    assert NETWORKS == {"main": MAIN, "testnet4": TESTNET4, "signet": SIGNET, "regtest": REGTEST}


def test_no_two_networks_share_a_node_s_chain_or_rpc_port() -> None:
    assert len({network.chain for network in NETWORKS.values()}) == len(NETWORKS)
    assert len({network.default_rpc_port for network in NETWORKS.values()}) == len(NETWORKS)


def test_only_main_has_its_own_base58_versions() -> None:
    versions = {name: (net.p2pkh_version, net.p2sh_version) for name, net in NETWORKS.items()}
    assert versions.pop("main") == (0x00, 0x05)
    assert set(versions.values()) == {(0x6F, 0xC4)}
