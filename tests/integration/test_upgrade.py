"""A pool under load that is upgraded: no rig is lost, and each answered share counts once."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from poolserver.node.process import free_port
from tests.integration.upgrading import MINED_S, mined, nothing_is_wrong

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

TLS_LISTENER = """
[[listeners]]
address = "127.0.0.1:{port}"
tls_cert = "{path}"
tls_key = "{path}"
"""


@pytest.mark.parametrize("release", ["turn", "sync"])
async def test_three_upgrades_under_load_lose_no_rig_and_no_share(
    release: str, bitcoind_path: Path, tmp_path: Path
) -> None:
    async with mined(bitcoind_path, tmp_path, release) as stage:
        for _ in range(3):
            await stage.pool.upgrade()
            await asyncio.sleep(MINED_S)
        latencies = [each for _, each in stage.load.evidence.latencies_ms]
        print("handed over:", stage.pool.events("rigs_handed_over"))
        print(f"longest answer: {max(latencies):.0f} ms of {len(latencies)}")
        await nothing_is_wrong(stage)
        handed = stage.pool.events("rigs_handed_over")
        assert [(each["rigs"], each["asked_to_reconnect"]) for each in handed] == [(40, 0)] * 3
        assert max(each["seconds"] for each in handed) < 1.0


@pytest.mark.parametrize("fault", ["a config that is wrong", "a config of another kind"])
async def test_where_the_new_process_fails_the_old_one_goes_on(
    fault: str, bitcoind_path: Path, tmp_path: Path
) -> None:
    async with mined(bitcoind_path, tmp_path, "turn") as stage:
        config = tmp_path / "pool.toml"
        good = config.read_text()
        config.write_text(
            "nonsense = true\n" + good
            if fault == "a config that is wrong"
            else good + "\n[stratum]\nextranonce2_size = 4\n"
        )
        os.kill(stage.pool.pid, signal.SIGUSR2)
        os.kill(stage.pool.pid, signal.SIGUSR2)
        deadline = time.monotonic() + 30
        while not stage.pool.events("upgrade_failed"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        config.write_text(good)
        await asyncio.sleep(MINED_S)
        await stage.pool.upgrade()  # and later it may be tried again
        await asyncio.sleep(MINED_S)
        log = tmp_path / "pool.log"
        is_json = [line for line in log.read_bytes().splitlines(True) if line.startswith(b"{")]
        log.write_bytes(b"".join(is_json))  # the others are the new process's last words
        await nothing_is_wrong(stage, told=("upgrade_failed",))


async def test_several_workers_are_renewed_one_after_the_other(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    async with mined(bitcoind_path, tmp_path, "turn", workers=2) as stage:
        pool = stage.pool
        for number in range(1, 3):
            before = [pool.worker_pid(0), pool.worker_pid(1)]
            await pool.upgrade()
            deadline = time.monotonic() + 30
            while len(pool.events("worker_renewed")) < 2 * number:
                assert time.monotonic() < deadline, pool.tail()
                await asyncio.sleep(0.05)
            after = [pool.worker_pid(0), pool.worker_pid(1)]
            assert None not in after
            assert not set(before) & set(after)
            await asyncio.sleep(MINED_S)
        handed = pool.events("rigs_handed_over")
        assert [each["asked_to_reconnect"] for each in handed] == [0] * 4
        assert sum(each["rigs"] for each in handed) == 2 * 40
        assert await pool.face.becomes("poolserver_worker_processes", lambda n: n == 2) == 2
        assert await pool.face.becomes("poolserver_connections", lambda n: n == 40) == 40
        latencies = [each for _, each in stage.load.evidence.latencies_ms]
        print(f"longest answer: {max(latencies):.0f} ms of {len(latencies)}")
        await nothing_is_wrong(stage)


async def test_a_worker_whose_successor_fails_goes_on_and_can_be_ended(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    async with mined(bitcoind_path, tmp_path, "turn", workers=2) as stage:
        pool = stage.pool
        before = [pool.worker_pid(0), pool.worker_pid(1)]
        no_certificate = tmp_path / "no.pem"
        no_certificate.write_text("nothing")
        with (tmp_path / "pool.toml").open("a") as config:
            config.write(TLS_LISTENER.format(port=free_port(), path=no_certificate))
        await pool.upgrade()
        deadline = time.monotonic() + 30
        while not pool.events("upgrade_failed"):
            assert time.monotonic() < deadline, pool.tail()
            await asyncio.sleep(0.02)
        await asyncio.sleep(MINED_S)
        assert [pool.worker_pid(0), pool.worker_pid(1)] == before
        began = time.monotonic()
        # Its last words are in the log, unless it was killed before.
        await nothing_is_wrong(stage, told=("upgrade_failed", "worker_not_begun"))
        assert time.monotonic() - began < 20.0
        assert [pool.worker_pid(0), pool.worker_pid(1)] == [None, None]
