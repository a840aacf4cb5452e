"""A node that makes its templates up: they look like mainnet's, on a chain called regtest.

    python -m bench.stage.node [--transactions 3000] [--template-every S] [--tip-every S]

On real regtest every second hash is a block. Here bits are mainnet's, so that no share is one, and
a template has as many transactions as a full block has (12 merkle branches); they change with each.
The first line that it prints is its port.
"""

import argparse
import asyncio
import hashlib
import json
import time
from typing import Any

from aiohttp import web

from tests.unit.made_up import commitment_hex, full_answer, result

MAINNET_BITS = "17034219"
TARGET_HEX = f"{0x034219 << 8 * (0x17 - 3):064x}"
TRANSACTION_BYTES = 1_340  # of JSON: 3,000 are 4 MB


class MadeUpNode:
    """A chain of tips without blocks."""

    def __init__(self, transactions: int) -> None:
        self._height, self._template = 100, 0
        count = max(1, transactions)
        made = json.loads(full_answer(count, count * TRANSACTION_BYTES))["result"]
        # Two sets by turns, so that each template is news and none costs the node its making.
        sets = [made["transactions"][:transactions], made["transactions"][: transactions - 1]]
        self._sets = [
            (
                json.dumps(each, separators=(",", ":")),
                commitment_hex(each),
                sum(transaction["fee"] for transaction in each),
            )
            for each in sets
        ]
        self._changed = asyncio.Event()

    @property
    def tip_hex(self) -> str:
        return self._hash_at(self._height)

    def _hash_at(self, height: int) -> str:
        return hashlib.sha256(b"%d" % height).hexdigest()

    async def change_for_ever(self, every_s: float, *, is_tip: bool) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._height += is_tip
            self._template += 1
            self._changed.set()
            self._changed = asyncio.Event()

    # --- RPC -----------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.Response:
        call = await request.json()
        method, params = call["method"], call.get("params") or []
        if method == "getblocktemplate":
            text = await self._getblocktemplate(**(params[0] if params else {}))
        else:
            known = getattr(self, "_" + method, None)
            if known is None:
                return _json('{"result":null,"error":{"code":-32601,"message":"not here"},"id":0}')
            text = json.dumps(known(*params))
        return _json(f'{{"result":{text},"error":null,"id":0}}')

    async def _getblocktemplate(self, longpollid: str = "", **rest: Any) -> str:
        if longpollid == self._longpollid:
            await self._changed.wait()
        transactions, commitment, fees_sat = self._sets[self._template % 2]
        now = int(time.time())
        fields = result(
            [],
            previousblockhash=self.tip_hex,
            bits=MAINNET_BITS,
            target=TARGET_HEX,
            height=self._height + 1,
            curtime=now,
            mintime=now - 3600,
            longpollid=self._longpollid,
            default_witness_commitment=commitment,
        )
        fields["coinbasevalue"] += fees_sat
        fields["transactions"] = "@"
        return json.dumps(fields).replace('"@"', transactions)

    @property
    def _longpollid(self) -> str:
        return f"{self.tip_hex}{self._template}"

    def _getnetworkinfo(self) -> dict[str, Any]:
        return {"version": 290_402, "subversion": "/MadeUp:29.4.2/", "connections": 8}

    def _getblockchaininfo(self) -> dict[str, Any]:
        return {
            "chain": "regtest",
            "blocks": self._height,
            "headers": self._height,
            "bestblockhash": self.tip_hex,
            "chainwork": f"{self._height:064x}",
            "initialblockdownload": False,
        }

    def _getbestblockhash(self) -> str:
        return self.tip_hex

    def _getblockheader(self, hash_hex: str, verbose: bool = True) -> dict[str, Any]:
        heights = range(self._height, max(0, self._height - 50), -1)
        height = next((each for each in heights if self._hash_at(each) == hash_hex), 0)
        return {
            "hash": hash_hex,
            "confirmations": self._height - height + 1,
            "height": height,
            "mediantime": int(time.time()) - 3601,
            "bits": MAINNET_BITS,
            "previousblockhash": self._hash_at(height - 1),
        }


def _json(text: str) -> web.Response:
    return web.Response(body=text.encode(), content_type="application/json")


async def run(transactions: int, template_every_s: float, tip_every_s: float) -> None:
    node = MadeUpNode(transactions)
    app = web.Application()
    app.router.add_post("/", node.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    async with asyncio.TaskGroup() as tasks:
        for every_s, is_tip in ((template_every_s, False), (tip_every_s, True)):
            if every_s:
                tasks.create_task(node.change_for_ever(every_s, is_tip=is_tip))
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=3000)
    parser.add_argument("--template-every", type=float, default=0, metavar="S")
    parser.add_argument("--tip-every", type=float, default=0, metavar="S")
    given = parser.parse_args()
    asyncio.run(run(given.transactions, given.template_every, given.tip_every))


if __name__ == "__main__":
    main()
