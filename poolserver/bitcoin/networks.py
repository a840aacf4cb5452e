"""The Bitcoin networks this pool can mine on."""

from dataclasses import dataclass

RETARGET_INTERVAL = 2016
"""Blocks from one difficulty adjustment to the next, on each network that has any."""


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
    halving_interval: int = 210_000
    """Blocks from one halving of the subsidy to the next (``nSubsidyHalvingInterval``)."""
    twenty_minute_rule: bool = False
    """Whether a block 20 minutes later than the one before may have the least difficulty
    (``fPowAllowMinDifficultyBlocks``, where blocks are retargeted at all)."""
    commitment_required: bool = False
    """Whether even a block without witness data needs a witness commitment: it is where a
    signet's block signature is looked for (BIP325; ``SignetTxs::Create`` of Bitcoin Core)."""

    is_public: bool = False
    """Whether blocks come whatever we do: the chain tells the time."""

    def bits_may_change_at(self, height: int) -> bool:
        """Whether the block at ``height`` may have other nbits than the one before it.

        Regtest never retargets; the rare block there is not worth an exception.
        """
        return self.twenty_minute_rule or height % RETARGET_INTERVAL == 0


MAIN = Network("main", "main", "bc", 0x00, 0x05, 8332, is_public=True)
TESTNET4 = Network(
    "testnet4", "testnet4", "tb", 0x6F, 0xC4, 48332, twenty_minute_rule=True, is_public=True
)
SIGNET = Network("signet", "signet", "tb", 0x6F, 0xC4, 38332, commitment_required=True)
REGTEST = Network("regtest", "regtest", "bcrt", 0x6F, 0xC4, 18443, halving_interval=150)

NETWORKS: dict[str, Network] = {
    network.name: network for network in (MAIN, TESTNET4, SIGNET, REGTEST)
}
