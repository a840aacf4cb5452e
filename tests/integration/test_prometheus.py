"""Every query of the dashboards and every rule, answered by a real Prometheus that scrapes a pool.

The pool has two worker processes, a power tree, a meter and a dispatcher by HTTP, an AI load, TLS,
and a site of simulated rigs that finds blocks on a private signet.
"""

import asyncio
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from poolserver.api.tokens import hash_of, new_token
from poolserver.demo import PAYOUT_ADDRESS, WORK_SCALE
from poolserver.node.process import BitcoindProcess, free_port
from poolserver.sim.command import SimulationOptions, build_site
from scripts.dashboards.__main__ import ALL
from tests.integration.prometheus import Prometheus, prometheus_path, watching
from tests.integration.running import RunningPool, rig

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """
network = "signet"
data_dir = "var"
workers = 2
[payout]
address = "{payout}"
[[nodes]]
name = "hall"
url = "{node.url}"
username = "{node.username}"
password = "{node.password}"
zmq_hashblock = "{node.zmq_endpoint}"
[[listeners]]
address = "127.0.0.1:{port}"
start_difficulty = 1.52587890625e-05
min_difficulty = 5.9604644775390625e-08
[[listeners]]
address = "127.0.0.1:{tls_port}"
tls_cert = "certificate.pem"
tls_key = "key.pem"
[http]
address = "127.0.0.1:{http_port}"
[[sites]]
name = "demo"
accounts = ["demo"]
budget_mw = 0.2
pue = 1.05
default_j_per_th = 17.5
work_scale = {work_scale}
worker_pattern = "{{site}}-{{container}}-{{rack}}-{{slot}}"
meter = "main"
[[sites.nodes]]
name = "T1"
kind = "transformer"
limit_mw = 0.19
mining_limit_mw = 0.18
workers = ["*"]
[[sites.ai_loads]]
name = "ai"
assumed_mw = 0.02
[[meters]]
name = "main"
source = "http"
rated_mw = 0.3
accuracy_class = 0.5
[[budget_sources]]
name = "grid"
node = "demo"
failsafe_mw = 0.18
max_age_s = 900
[[api_tokens]]
name = "grid"
sha256 = "{token_hash}"
scopes = ["budget", "ai-load", "meter"]
nodes = ["/"]
[log]
level = "warning"
[power]
tick_s = 1
"""

# What a healthy pool of some seconds' age has nothing to say on, and why: by a part of the query.
SILENT = {
    "ALERTS{": "nothing fires",
    "changes(process_start_time_seconds": "no other process has taken over",
    "poolserver_energy_closed_timestamp_seconds": "the first is open for a quarter of an hour",
    "poolserver_ledger_signed_day_timestamp_seconds": "the first day is not over",
    "poolserver_mqtt_messages_total": "there is no broker",
    "poolserver_rpc_errors_total": "no call has failed",
}
# Families that dashboards and rules are ready for.
TO_COME = (
    "poolserver_disk_",
    "poolserver_event_loop_lag_seconds",
    "poolserver_journal_held_records",
    "poolserver_journal_lag_seconds",
    "poolserver_journal_sync_seconds",
    "poolserver_new_tip_to_rigs_seconds",
    "poolserver_reloads_total",
    "poolserver_share_latency_seconds",
    "poolserver_submitblock_seconds",
    "process_",
)
VARIABLES = {
    "$instance": ".+",
    "$site": ".+",
    "$node": ".+",
    "$__rate_interval": "10s",
    "$__interval": "5s",
    "${datasource}": "",
}


@dataclass(frozen=True)
class Asked:
    """A query, and where it stands."""

    where: str
    expr: str


def filled(expr: str) -> str:
    """As Grafana asks: with the variables' values, `all` for what a reader may choose."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr.replace('"$1"', ""), expr  # that one is label_replace's
    return expr


def queries() -> Iterator[Asked]:
    """Of every panel, annotation and variable."""
    for dashboard in ALL:
        made = dashboard.to_json()
        for panel in made["panels"]:
            for target in panel.get("targets", ()):
                where = f"{dashboard.name} / {panel['title']} / {target['refId']}"
                yield Asked(where, filled(target["expr"]))
        for note in made["annotations"]["list"]:
            yield Asked(f"{dashboard.name} / annotation {note['name']}", filled(note["expr"]))
        for variable in made["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
                assert found, variable
                expr = f"count by ({found[2]}) ({found[1]})"
                yield Asked(f"{dashboard.name} / variable {variable['name']}", filled(expr))


@asynccontextmanager
async def a_busy_pool(node: BitcoindProcess, folder: Path) -> AsyncIterator[RunningPool]:
    """The pool with its rigs, and somebody who tells it of meter, AI load and budget."""
    token, port, http_port = new_token(), free_port(), free_port()
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    path = folder / "pool.toml"
    path.write_text(
        CONFIG.format(
            payout=PAYOUT_ADDRESS,
            node=node,
            port=port,
            tls_port=free_port(),
            http_port=http_port,
            work_scale=WORK_SCALE,
            token_hash=hash_of(token),
        )
    )
    command = (sys.executable, "-m", "poolserver", "run", "--config", str(path))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    pool = RunningPool(port, http_port)
    options = SimulationOptions("127.0.0.1", port, rigs=40, work_scale=WORK_SCALE, pue=1.05)
    try:
        await ready(pool, process)
        async with build_site(options), rig(port, "demo.late") as late:
            await late.job()
            late.client.submit(late.name, "none", bytes(8), 0, 0)  # a share that is refused
            telling = asyncio.create_task(tell(pool, token))
            try:
                yield pool
            finally:
                telling.cancel()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def ready(pool: RunningPool, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(40):
        while True:
            assert process.returncode is None
            try:
                if (await pool.get("/readyz"))[0] == 200:
                    return
            except aiohttp.ClientError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)


async def tell(pool: RunningPool, token: str) -> None:
    """Each second what the meter, the AI hall and the dispatcher have to say."""
    url = f"http://127.0.0.1:{pool.http_port}/api/v1"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, trust_env=False) as session:
        while True:
            now = time.time()
            bodies: dict[str, dict[str, Any]] = {
                "meters/main": {"power_w": 175_000, "ts": now},
                "ai-loads/demo/ai": {"power_w": 20_000, "valid_until": now + 600},
                "nodes/demo/budget": {"limit_w": 190_000, "valid_until": now + 600},
            }
            for path, body in bodies.items():
                async with session.put(f"{url}/{path}", json=body) as reply:
                    assert reply.status < 300, (path, await reply.text())
            await asyncio.sleep(1.0)


async def test_every_query_and_every_rule_is_answered_with_data(
    signet_bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    prometheus_path()
    async with (
        a_busy_pool(signet_bitcoind, tmp_path) as pool,
        watching(pool.http_port, tmp_path) as prometheus,
    ):
        # A block, and all windows of ten seconds have their samples.
        await prometheus.becomes('poolserver_blocks_total{state="accepted"} > 0')
        await prometheus.becomes("count_over_time(up[15s]) > 12")
        await prometheus.becomes("poolserver_power_j_per_th")
        without = [asked for asked in queries() if not await prometheus.ask(asked.expr)]
        explained = (*SILENT, *TO_COME)
        assert [each for each in without if not any(part in each.expr for part in explained)] == []
        await rules_are_well(prometheus)


async def rules_are_well(prometheus: Prometheus) -> None:
    """Each was evaluated without an error; of a healthy pool none wakes anybody."""
    groups = (await prometheus.get("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 40
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = await prometheus.ask('ALERTS{alertstate="firing",severity!="info"}')
    assert [each["metric"]["alertname"] for each in firing] == []
