"""A node with a chain that the test moves, for those who ask how it does."""

import asyncio
from typing import Any

import msgspec

from poolserver.node.rpc import NodeError

NOW = 1_795_480_883


class ChainNode:
    """On regtest. Blocks are named by their paths: "ab" is on "a"; the work of each is 2.

    ``fails`` holds what each method raises; "" is for all of them.
    """

    def __init__(self, tip: str = "a", url: str = "http://node") -> None:
        self.url = url
        self.tip = tip
        self.chain = "regtest"
        self.peers = 8
        self.loading = False
        self.fails: dict[str, NodeError] = {}
        self.fails_once: NodeError | None = None
        self.asked: list[str] = []
        self.timeouts: set[float | None] = set()
        self._called = asyncio.Event()

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 30.0
    ) -> Any:
        self.asked.append(method)
        self._called.set()
        self.timeouts.add(timeout_s)
        error = self.fails_once or self.fails.get(method) or self.fails.get("")
        self.fails_once = None
        if error is not None:
            raise error
        return msgspec.convert(getattr(self, method)(*params), type)

    async def is_asked(self, method: str, times: int) -> None:
        """Wait until it was asked so often."""
        while self.asked.count(method) < times:
            self._called.clear()
            await self._called.wait()

    async def close(self) -> None: ...

    def getnetworkinfo(self) -> dict[str, Any]:
        return {"version": 290_402, "subversion": "/Satoshi:29.4.2/", "connections": self.peers}

    def getblockchaininfo(self) -> dict[str, Any]:
        return {
            "chain": self.chain,
            "blocks": len(self.tip),
            "bestblockhash": self.tip,
            "chainwork": f"{2 * len(self.tip):064x}",
            "initialblockdownload": self.loading,
        }

    def getblockheader(self, block: str) -> dict[str, Any]:
        return {"previousblockhash": block[:-1]} if block[:-1] else {}

    def getblocktemplate(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "version": 0x20000000,
            "previousblockhash": "00" * 32,
            "transactions": [],
            "coinbasevalue": 50,
            "mintime": NOW - 600,
            "curtime": NOW,
            "bits": "207fffff",
            "target": "7fffff" + "00" * 29,
            "height": len(self.tip) + 1,
        }
