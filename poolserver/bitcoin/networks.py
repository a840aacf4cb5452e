"""The Bitcoin networks this pool can mine on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """What differs from network to network, as far as a pool has to know it.

    Source: Bitcoin Core's ``kernel/chainparams.cpp`` and ``chainparamsbase.cpp``.
    """

    name: str
    """The name in the pool's configuration and texts."""
    chain: str
    """``getblockchaininfo``'s ``chain``: which network a node says it is on."""
    bech32_hrp: str
    """The human-readable part of segwit addresses (BIP173)."""
    p2pkh_version: int
    """Base58 version byte of a pay-to-pubkey-hash address."""
    p2sh_version: int
    """Base58 version byte of a pay-to-script-hash address (BIP13)."""
    default_rpc_port: int
    """The TCP port of a node's RPC server, if it was not told another."""


MAIN = Network("main", "main", "bc", 0x00, 0x05, 8332)
TESTNET4 = Network("testnet4", "testnet4", "tb", 0x6F, 0xC4, 48332)
SIGNET = Network("signet", "signet", "tb", 0x6F, 0xC4, 38332)
REGTEST = Network("regtest", "regtest", "bcrt", 0x6F, 0xC4, 18443)

NETWORKS: dict[str, Network] = {
    network.name: network for network in (MAIN, TESTNET4, SIGNET, REGTEST)
}
