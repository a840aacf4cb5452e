"""Each kind of address, as the node itself derives, writes and reads it."""

from typing import Any, Protocol

import pytest

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.bech32 import encode_witness
from poolserver.bitcoin.networks import NETWORKS, Network

pytestmark = pytest.mark.real

# The generator point of secp256k1: the public key of private key 1, with and without its y.
X_ONLY_KEY = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
KEY = "02" + X_ONLY_KEY
DESCRIPTORS = {
    "p2pkh": f"pkh({KEY})",
    "p2sh": f"sh(multi(1,{KEY}))",
    "p2sh-segwit": f"sh(wpkh({KEY}))",
    "p2wpkh": f"wpkh({KEY})",
    "p2wsh": f"wsh(multi(1,{KEY}))",
    "p2tr": f"tr({X_ONLY_KEY})",
}


class Node(Protocol):
    """What these tests ask of the bitcoind fixture."""

    async def call(self, method: str, *params: Any) -> Any: ...


async def network_of(node: Node) -> Network:
    chain = (await node.call("getblockchaininfo"))["chain"]
    (network,) = [network for network in NETWORKS.values() if network.chain == chain]
    return network


async def derived_address(node: Node, kind: str) -> str:
    descriptor = (await node.call("getdescriptorinfo", DESCRIPTORS[kind]))["descriptor"]
    (address,) = await node.call("deriveaddresses", descriptor)
    assert isinstance(address, str)
    return address


@pytest.mark.parametrize("kind", DESCRIPTORS)
async def test_an_address_gives_the_script_that_the_node_gives(bitcoind: Node, kind: str) -> None:
    address = await derived_address(bitcoind, kind)
    seen = await bitcoind.call("validateaddress", address)
    assert seen["isvalid"]
    script_pubkey = script_pubkey_from_address(address, await network_of(bitcoind))
    assert script_pubkey.hex() == seen["scriptPubKey"]


@pytest.mark.parametrize("version", range(17))
async def test_the_node_reads_each_witness_version_as_we_write_it(
    bitcoind: Node, version: int
) -> None:
    network, program = await network_of(bitcoind), bytes(range(32))
    address = encode_witness(network.bech32_hrp, version, program)
    seen = await bitcoind.call("validateaddress", address)
    assert (seen["witness_version"], seen["witness_program"]) == (version, program.hex())
    if version <= 1:
        assert script_pubkey_from_address(address, network).hex() == seen["scriptPubKey"]
    else:
        with pytest.raises(AddressError, match="anyone could spend"):
            script_pubkey_from_address(address, network)


@pytest.mark.parametrize("kind", DESCRIPTORS)
async def test_the_node_and_we_refuse_a_mistyped_address(bitcoind: Node, kind: str) -> None:
    network, address = await network_of(bitcoind), await derived_address(bitcoind, kind)
    for position in range(len(address)):
        wrong = "3" if address[position] != "3" else "4"
        mistyped = address[:position] + wrong + address[position + 1 :]
        assert not (await bitcoind.call("validateaddress", mistyped))["isvalid"]
        with pytest.raises(AddressError):
            script_pubkey_from_address(mistyped, network)
