"""The program as it is started from a shell, and how it ended."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from poolserver.node.process import free_port
from tests.integration.running import TAPROOT_REGTEST, RunningPool

REPOSITORY = Path(__file__).parents[2]
CONFIG = """
network = "{network}"
data_dir = "var"
[payout]
address = "{address}"
[[nodes]]
url = "{url}"
username = "poolserver"
password = "loopback-only"
[[listeners]]
address = "127.0.0.1:{port}"
start_difficulty = 1e-6
min_difficulty = 1e-6
max_difficulty = 1e-6
[http]
address = "127.0.0.1:{http_port}"
[[sites]]
name = "hall"
accounts = ["demo"]
budget_mw = 0.2
"""


@dataclass
class Ended:
    """What a program leaves: its exit code and what it said."""

    code: int
    out: str
    err: str


@dataclass
class Setup:
    """A configuration file in a folder of its own, at ports that are free."""

    folder: Path
    url: str
    network: str = "regtest"
    address: str = TAPROOT_REGTEST
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)

    def write(self) -> Path:
        path = self.folder / "pool.toml"
        path.write_text(
            CONFIG.format(
                network=self.network,
                address=self.address,
                url=self.url,
                port=self.port,
                http_port=self.http_port,
            )
        )
        return path

    @property
    def pool(self) -> RunningPool:
        return RunningPool(self.port, self.http_port)


async def begin(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "poolserver",
        *arguments,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end_of(process: asyncio.subprocess.Process) -> Ended:
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def command(*arguments: str) -> Ended:
    return await end_of(await begin(*arguments))


def said_in_one_line(ended: Ended) -> str:
    """The last line, which is the program's own word; no traceback is before it."""
    assert "Traceback" not in ended.err, ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("poolserver: "), ended.err
    return last
