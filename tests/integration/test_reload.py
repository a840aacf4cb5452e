"""A pool under load whose configuration is reloaded: each setting, no rig lost, or nothing done."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from math import hypot
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest

from poolserver.api.tokens import hash_of, new_token
from poolserver.control_room.view import NodeView, PowerView
from poolserver.lookout.view import Status
from poolserver.node.process import free_port
from tests.integration.upgrading import LOAD, mined, nothing_is_wrong
from tests.torture.ledger_stage import LedgerStage, ledger_stage
from tests.torture.ledger_stores import SqliteStore
from tests.torture.pool_process import PR_SET_CHILD_SUBREAPER, Orphan

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

MINED_S = 1.0
OUTCOME_S = 30.0
TOKEN = new_token()
TOKENS = f"""
[[api_tokens]]
name = "ops"
sha256 = "{hash_of(TOKEN)}"
scopes = ["reload", "ai-load"]
nodes = ["/"]
"""


AI_LOAD = """
[[sites.ai_loads]]
name = "ai"
assumed_mw = 0.1"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a service manager with a watchdog is told."""
    words: list[str] = []

    def listen(sock: socket.socket) -> None:
        while word := sock.recv(4096):
            words.extend(word.decode().splitlines())

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        thread = threading.Thread(target=listen, args=(sock,))
        thread.start()
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        yield words
        sock.shutdown(socket.SHUT_RD)
        thread.join()


class Reloaded:
    """The stage's pool, with a file that the test changes."""

    def __init__(self, stage: LedgerStage) -> None:
        self.stage = stage
        self.pool = stage.pool
        self.file = stage.pool.folder / "pool.toml"

    @property
    def text(self) -> str:
        return self.file.read_text()

    @text.setter
    def text(self, text: str) -> None:
        self.file.write_text(text)

    def put(self, old: str, new: str) -> None:
        assert self.text.count(old) == 1, old
        self.text = self.text.replace(old, new)

    async def status(self) -> Status:
        _, text = await self.pool.face.get("/api/v1/status")
        return msgspec.json.decode(text, type=Status)

    async def post(self, path: str = "reload") -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{self.pool.face.http_port}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url) as reply:
            return reply.status, await reply.json(content_type=None)

    async def site(self, name: str) -> NodeView:
        _, text = await self.pool.face.get("/api/v1/power")
        nodes = msgspec.json.decode(text, type=PowerView).nodes
        return next(each for each in nodes if each.path == name)

    async def ai_draws(self, power_w: int) -> int:
        """Somebody tells what the hall's AI load draws."""
        url = f"http://127.0.0.1:{self.pool.face.http_port}/api/v1/ai-loads/hall/ai"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        word = msgspec.json.encode({"power_w": power_w, "valid_until": time.time() + 600})
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.put(url, data=word) as reply,
        ):
            return reply.status

    async def event(self, name: str, number: int = 1) -> dict[str, Any]:
        deadline = time.monotonic() + OUTCOME_S
        while len(found := self.pool.events(name)) < number:
            assert time.monotonic() < deadline, self.pool.tail()
            await asyncio.sleep(0.02)
        return found[number - 1]

    async def reload(self) -> None:
        """By SIGHUP, to its good end; the pool is the new process then."""
        before = len(self.pool.events("reloaded"))
        os.kill(self.pool.pid, signal.SIGHUP)
        await self.succeeds(before)

    async def succeeds(self, before: int = 0) -> None:
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        await self.event("reloaded", before + 1)
        old, begun = self.pool._process, self.pool.events("upgrade_begun")
        assert old is not None
        assert await old.wait() == 0
        begun = [each for each in begun if "process" not in each]
        self.pool._process = Orphan(begun[-1]["pid"])
        await self.pool.becomes_ready()


@asynccontextmanager
async def mining(bitcoind: Path, folder: Path, workers: int = 1) -> AsyncIterator[Reloaded]:
    async with mined(bitcoind, folder, "turn", workers) as stage:
        yield Reloaded(stage)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


async def test_every_setting_is_taken_up_and_no_rig_notices(
    bitcoind_path: Path, tmp_path: Path, told: list[str]
) -> None:
    port = free_port()
    listener = f'\n[[listeners]]\naddress = "127.0.0.1:{port}"\n'
    async with mining(bitcoind_path, tmp_path) as pool:
        assert await pool.pool.face.metric('poolserver_site_budget_watts{site="hall"}') == 200_000
        first = await pool.status()

        # A budget, a token, a listener and an account.
        pool.put("budget_mw = 0.2", f"budget_mw = 0.3{AI_LOAD}")
        pool.put('accounts = ["demo"]', 'accounts = ["demo", "newcomer"]')
        pool.text += TOKENS + listener
        await pool.reload()
        second = await pool.status()
        assert second.config_sha256 != first.config_sha256
        assert second.last_reload is not None
        assert second.last_reload.is_good
        assert await pool.pool.face.metric('poolserver_site_budget_watts{site="hall"}') == 300_000
        assert listens(port)

        # What is known of power is known after the next one too.
        assert await pool.ai_draws(40_000) == 204
        async with asyncio.timeout(OUTCOME_S):
            while not (before := await pool.site("hall")).ai_known:  # noqa: ASYNC110 - of a tick
                await asyncio.sleep(0.1)

        # By the command: nothing new.
        url = f"http://127.0.0.1:{pool.pool.face.http_port}"
        code, said = await pool.pool.command("reload", "--url", url, "--pid", str(pool.pool.pid))
        assert (code, said.split(":")[0]) == (0, "Nothing has changed"), said

        # By HTTP, with the token that came by the first: nothing new, and the listener goes.
        assert await pool.post() == (
            202,
            {"config_sha256": second.config_sha256, "state": "unchanged"},
        )
        pool.put(listener, "")
        assert (await pool.post("reload?check=true"))[1]["state"] == "would_begin"
        code, answer = await pool.post()
        assert (code, answer["state"]) == (202, "begun")
        await pool.succeeds(before=1)
        assert (await pool.status()).config_sha256 == answer["config_sha256"]
        assert not listens(port)
        after = await pool.site("hall")
        assert (after.ai_w, after.ai_known, after.rigs) == (40_000.0, True, before.rigs)
        sigma_w = hypot(before.total_w.sigma, after.total_w.sigma)
        assert after.total_w.value == pytest.approx(before.total_w.value, abs=2 * sigma_w)
        metric = 'poolserver_reloads_total{outcome="reloaded"}'
        assert await pool.pool.face.metric(metric) == 2

        await asyncio.sleep(MINED_S)
        handed = pool.pool.events("rigs_handed_over")
        print("seconds of a reload:", [each["seconds"] for each in pool.pool.events("reloaded")])
        print("rigs waited:", [each["seconds"] for each in handed])
        assert [(each["rigs"], each["asked_to_reconnect"]) for each in handed] == [(40, 0)] * 2
        assert pool.pool.events("power_intended") == []
        await nothing_is_wrong(pool.stage)
        pids = [each["pid"] for each in pool.pool.events("upgrade_begun")]
        assert [each for each in told if each.startswith("MAINPID")] == [
            f"MAINPID={pid}" for pid in pids
        ]
        steps = [each for each in told if each in ("READY=1", "RELOADING=1", "STOPPING=1")]
        # Each reload, and the two wishes that changed nothing, end with READY=1.
        assert steps == ["READY=1", *["RELOADING=1", "READY=1"] * 4, "STOPPING=1"]
        assert "WATCHDOG=1" in told
        assert any("at work on block" in each for each in told)


async def test_a_file_that_is_no_good_changes_nothing_and_each_error_is_told(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    async with mining(bitcoind_path, tmp_path) as pool:
        pool.text += TOKENS
        await pool.reload()
        good, pid, before = pool.text, pool.pool.pid, await pool.status()

        pool.text = "nonsense = 1\nworse = 2\n" + good
        code, problem = await pool.post()
        assert (code, problem["code"], len(problem["errors"])) == (422, "refused", 2)
        pool.text = good + "\n[stratum]\nextranonce2_size = 4\n"
        code, problem = await pool.post()
        assert (code, problem["code"]) == (409, "needs_restart")
        assert problem["errors"][0].startswith("stratum.extranonce2_size")
        pool.text = "data_dir = "  # half a file
        os.kill(pid, signal.SIGHUP)
        await pool.event("reload_refused", 3)

        # Only the new process finds that the port is another's; and two at once are one.
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            pool.text = good + f'\n[[listeners]]\naddress = "127.0.0.1:{port}"\n'
            assert (await pool.post())[0] == 202
            assert (await pool.post())[1]["code"] == "busy"
            failed = await pool.event("reload_failed")
        assert str(port) in failed["reason"]
        after = await pool.status()
        assert pool.pool.is_alive
        assert pool.pool.pid == pid
        assert after.config_sha256 == before.config_sha256
        assert after.last_reload is not None
        assert not after.last_reload.is_good
        assert str(port) in after.last_reload.reason

        pool.text = good + "\n[limits]\nstrikes = 9\n"
        await pool.reload()  # and later it is possible again
        await nothing_is_wrong(
            pool.stage, told=("reload_refused", "reload_failed", "upgrade_failed", "none")
        )


async def test_workers_come_and_go(bitcoind_path: Path, tmp_path: Path) -> None:
    async with mining(bitcoind_path, tmp_path, workers=2) as pool:
        for number in (3, 2):
            pool.text = pool.text.replace(f"workers = {5 - number}", f"workers = {number}")
            await pool.reload()
            face = pool.pool.face
            metric = "poolserver_worker_processes"
            assert await face.becomes(metric, lambda n, m=number: n == m) == number
            await asyncio.sleep(MINED_S)
        assert await face.becomes("poolserver_connections", lambda n: n == 40) == 40
        pool.pool._workers = 3
        await nothing_is_wrong(pool.stage)


async def test_what_is_written_during_a_reload_is_in_force_in_the_end(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    async with mining(bitcoind_path, tmp_path) as pool:
        first, good = pool.pool.pid, pool.text
        for strikes in (9, 10):
            pool.text = good + f"\n[limits]\nstrikes = {strikes}\n"
            os.kill(first, signal.SIGHUP)
            await pool.event("upgrade_begun")  # for the first; the second comes meanwhile
        await pool.event("reload_waits")
        # If the first one was still to read the file, it finds another one than was found good.
        second = (await pool.event("reload_begun", 2))["config_sha256"]
        async with asyncio.timeout(OUTCOME_S):
            while second not in sha256s(pool, "reloaded"):  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.05)
        async with asyncio.timeout(OUTCOME_S):
            while len(left := alive(pool, first)) > 1:  # noqa: ASYNC110 - processes
                await asyncio.sleep(0.1)
        pool.pool._process = Orphan(left[0])
        assert second != (await pool.event("reload_begun"))["config_sha256"]
        await pool.pool.becomes_ready()
        assert (await pool.status()).config_sha256 == second
        await nothing_is_wrong(pool.stage, told=STORM)


async def test_a_storm_of_signals_loses_no_share(bitcoind_path: Path, tmp_path: Path) -> None:
    """Now and then to all of our processes, as ``pkill -HUP`` does: to one that only starts too."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    rng = Random(8)
    async with mining(bitcoind_path, tmp_path) as pool:
        first = pool.pool.pid
        for number in range(100):
            pool.text = pool.text.replace("[log]", f"# {number}\n[log]")
            if number % 10 == 0:
                pool.text = pool.text.split("[limits]")[0] + f"[limits]\nstrikes = {9 + number}\n"
            wish = signal.SIGUSR2 if number % 7 == 0 else signal.SIGHUP
            for pid in alive(pool, first)[: None if number % 20 == 0 else 1]:
                os.kill(pid, wish)
            await asyncio.sleep(rng.random() / 5)
        await asyncio.sleep(MINED_S)  # the last signal is heard
        async with asyncio.timeout(OUTCOME_S):
            while len(left := alive(pool, first)) > 1:  # noqa: ASYNC110 - processes
                await asyncio.sleep(0.1)
        if left != [first]:
            pool.pool._process = Orphan(left[0])
        pool.text = pool.text.split("[limits]")[0] + "[limits]\nstrikes = 500\n"
        await pool.reload()
        print({name: len(pool.pool.events(name)) for name in (*STORM, "reloaded")})
        await nothing_is_wrong(pool.stage, told=STORM)


STORM = ("upgrade_refused", "upgrade_failed", "reload_refused", "reload_failed", "none")


def sha256s(pool: Reloaded, event: str) -> list[str]:
    """Of the configurations that such events are about."""
    return [each["config_sha256"] for each in pool.pool.events(event)]


def alive(pool: Reloaded, first: int) -> list[int]:
    """Those processes of the pool that run."""
    begun = [each["pid"] for each in pool.pool.events("upgrade_begun") if "process" not in each]
    found = []
    for pid in (first, *begun):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(pid)
    return found


UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.mark.skipif(
    subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode != 0,
    reason="pid namespaces are not permitted here",
)
async def test_the_first_process_of_a_container_hands_over_and_stays(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path)
    async with ledger_stage(bitcoind_path, tmp_path, store, LOAD, Random(1), "turn") as stage:
        pool = stage.pool
        pool.prefix = UNSHARE
        await pool.start()
        await stage.has_load()
        children = Path(f"/proc/{pool.pid}/task/{pool.pid}/children")
        first = int((await asyncio.to_thread(children.read_text)).split()[0])
        for number, wish in enumerate((signal.SIGUSR2, signal.SIGUSR2, signal.SIGHUP), 2):
            with (tmp_path / "pool.toml").open("a") as config:
                if wish == signal.SIGHUP:
                    config.write("\n[limits]\nstrikes = 9\n")
            await asyncio.sleep(MINED_S)
            os.kill(first, wish)
            deadline = time.monotonic() + OUTCOME_S
            while len(pool.events("running")) < number:
                assert time.monotonic() < deadline, pool.tail()
                await asyncio.sleep(0.05)
        await Reloaded(stage).event("reloaded")
        rss = await asyncio.to_thread(Path(f"/proc/{first}/status").read_text)
        kib = int(rss.split("VmRSS:")[1].split()[0])
        print(f"the first process has {kib / 1024:.0f} MiB")
        assert kib < 32 << 10
        assert await stage.load.settle(20.0)
        os.kill(first, signal.SIGTERM)  # as a container is stopped
        assert pool._process is not None
        assert await pool._process.wait() == 0
        await nothing_is_wrong(stage)
