"""A bitcoind of our own, for demo and tests: on loopback, in a folder that goes away."""

import asyncio
import ctypes
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from poolserver.node.rpc import Credentials, NodeError, NodeRpc

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.1
USERNAME = "poolserver"
# The password of a node that lives for a minute, listens on loopback and holds nothing.
PASSWORD = "loopback-only"  # noqa: S105

REGTEST = ("-regtest",)
# OP_TRUE: a block needs no signature. Network difficulty 0.001127, 4.8 million hashes a block.
PRIVATE_SIGNET = ("-signet", "-signetchallenge=51")


_PR_SET_PDEATHSIG = 1  # prctl(2)
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class NodeStartError(RuntimeError):
    """bitcoind could not be started; the text has the end of what it said."""


# Whoever is given a port may not have bound it yet when the next one is asked for.
_given_ports: deque[int] = deque(maxlen=256)


def free_port() -> int:
    """A port of loopback that is free now, and that was not given out here just before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.append(port)
            return port


def _end_with_parent() -> None:
    """In the new process: have Linux end it, should we be killed before we can. Survives exec."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class BitcoindProcess:
    """``async with BitcoindProcess(path, PRIVATE_SIGNET) as node: await node.rpc.call(...)``.

    The program is ended by the process that was started, whatever its name: a private build
    runs as its loader. ``stop`` and ``start`` again keep the chain and the ports. It has no peers;
    with ``listen`` it takes other nodes' connections at ``p2p_port`` on loopback.
    """

    def __init__(
        self,
        program: Path,
        chain: Sequence[str],
        extra: Sequence[str] = (),
        *,
        listen: bool = False,
    ) -> None:
        self._program = program
        self._chain = tuple(chain)
        self._extra = tuple(extra)
        self._folder = Path(tempfile.mkdtemp(prefix="poolserver-node-"))
        self._process: asyncio.subprocess.Process | None = None
        self.rpc_port = free_port()
        self.zmq_endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.p2p_port = free_port() if listen else 0
        self.url = f"http://127.0.0.1:{self.rpc_port}"
        self.username, self.password = USERNAME, PASSWORD
        self.rpc = self.new_rpc()

    def new_rpc(self) -> NodeRpc:
        """A client of this node."""
        return NodeRpc(self.url, Credentials(self.username, self.password))

    async def call(self, method: str, *params: Any) -> Any:
        """Call the node."""
        return await self.rpc.call(method, *params)

    async def __aenter__(self) -> "BitcoindProcess":
        try:
            await self.start()
        except BaseException:
            await self._clean_up()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._clean_up()

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            NodeStartError: it ended, or did not answer in time.
        """
        with (self._folder / "output.log").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(self._program),
                *self._chain,
                f"-datadir={self._folder}",
                f"-rpcport={self.rpc_port}",
                f"-rpcuser={self.username}",
                f"-rpcpassword={self.password}",
                f"-zmqpubhashblock={self.zmq_endpoint}",
                "-server=1",
                *self._p2p_options(),
                "-dnsseed=0",
                "-fixedseeds=0",
                "-connect=0",
                "-printtoconsole=1",
                *self._extra,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                # A Ctrl-C at the terminal is for us; we end the node when we are done with it.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                await self.rpc.call("getblockchaininfo")
            except NodeError as error:
                if self._process.returncode is not None or time.monotonic() > deadline:
                    raise NodeStartError(
                        f"bitcoind did not start: {error}\n{self._tail()}"
                    ) from None
                await asyncio.sleep(POLL_S)
            else:
                return

    def _p2p_options(self) -> list[str]:
        if not self.p2p_port:
            return ["-listen=0"]
        return ["-listen=1", "-listenonion=0", f"-bind=127.0.0.1:{self.p2p_port}"]

    async def connect(self, other: "BitcoindProcess") -> None:
        """Make a listening node its peer, and wait until both say so."""
        before = await other.call("getconnectioncount")
        await self.call("addnode", f"127.0.0.1:{other.p2p_port}", "onetry")
        while await other.call("getconnectioncount") == before:  # noqa: ASYNC110 - it has no news
            await asyncio.sleep(POLL_S / 10)

    async def disconnect(self) -> None:
        """Cut it off from all other nodes, and let it be connected again."""
        await self.call("setnetworkactive", False)
        while await self.call("getconnectioncount"):  # noqa: ASYNC110 - it has no news
            await asyncio.sleep(POLL_S / 10)
        await self.call("setnetworkactive", True)

    def pause(self) -> None:
        """Stop it in its tracks: it takes connections, by its kernel, and says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after ``pause``."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> None:
        """End it in good order, by force if it takes too long."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _clean_up(self) -> None:
        await self.rpc.close()
        if self._process is not None and self._process.returncode is None:
            self.resume()  # a paused one does not hear that it is to end
        await self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tail(self) -> str:
        output = self._folder / "output.log"
        return output.read_text(errors="replace")[-2000:] if output.exists() else ""
