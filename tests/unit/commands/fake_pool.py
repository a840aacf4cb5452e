"""A pool's HTTP API without a pool: it gives what it is told to, by the shapes of the API."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from poolserver.control_room.view import Figure, LimitView
from poolserver.lookout.view import (
    BlockLine,
    Event,
    Hashrates,
    NodeStatus,
    PowerStatus,
    RejectRatios,
    Reload,
    RigLine,
    Shares,
    SiteStatus,
    Status,
    TemplateStatus,
    Trouble,
)

AT = 1_800_000_000.0
RATE = Figure(1.23e18, 1e15)
RATES = Hashrates(*[RATE] * 7)
LIMIT = LimitView(1_320_000_000, "contract", "grid", "evening peak", None)
POWER = PowerStatus(
    Figure(1.31e9, 4e6), Figure(1.2e9, 4e6), 90e6, 1_320_000_000, 1e7, LIMIT, 1.3e9, None, 17.4
)
NODE = NodeStatus("core-1", True, True, True, 900_000, 0, 12, 0.002, 0.5)
SHARES = Shares(1_234_567, 12, 34)
REJECTS = RejectRatios(0.0012, 0.0034, 0.001, 0.003)


def a_site(name: str = "Sahiwal") -> SiteStatus:
    return SiteStatus(name, 1_320_000_000, RATES, SHARES, REJECTS, 5_436, 7, 10**12, 1e12, 1, POWER)


def a_rig(number: int, state: str = "hashing") -> RigLine:
    rate = Figure((200 - number) * 1e12, 3e12)
    return RigLine(
        worker=f"sahiwal.c1-r{number:03d}",
        account="sahiwal",
        site="Sahiwal",
        node="Sahiwal/T1",
        state=state,
        model="Antminer S21",
        address="10.0.0.9",
        hashrate_5m_h_s=rate,
        hashrate_1h_h_s=rate,
        hashrate_1d_h_s=rate,
        power_w=3500.0,
        j_per_th=17.5,
        stale_1h=0.001,
        rejected_1h=0.002,
        best_difficulty=1.5e9,
        sessions=1,
        seen_at=AT - 60,
        last_share_at=AT - 7,
    )


def a_block(height: int) -> BlockLine:
    worker = "sahiwal.c1-r001"
    return BlockLine(
        height, f"{height:064x}", "mature", int(AT * 1000), worker, 312_500_000, 0, 1, 0, 0.5, 2.0
    )


def an_event(number: int, level: str = "info") -> Event:
    return Event(number, AT + number, level, "block_found", {"height": number, "why": "luck"})


def a_status(*troubles: Trouble) -> Status:
    return Status(
        at=AT,
        version="0.1.0",
        network="main",
        instance_id="pool-1",
        started_at=AT - 200_000,
        config_sha256="ab" * 32,
        last_reload=Reload(AT - 3600, True, ""),
        not_ready_because=None,
        troubles=troubles,
        hashrate_h_s=RATES,
        shares=SHARES,
        rejects=REJECTS,
        best_difficulty=1e12,
        rigs=5_436,
        silent_rigs=7,
        connections=5_440,
        worker_processes=1,
        template=TemplateStatus(900_001, 0.4, 3012, 315_000_000, False),
        round_effort=0.43,
        luck=1.01,
        blocks={"mature": 12, "orphaned": 1},
        journal_lag_s=0.0,
        power=POWER,
        power_mode="observe",
        power_state="within",
        intended=(),
    )


class FakePool:
    """``answers`` by what stands behind /api/v1/; a list of lines is given in pages."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, Any] = {
            "status": a_status(),
            "sites": [a_site(), a_site("Port Qasim")],
            "nodes": [NODE],
        }
        self.lists: dict[str, list[Any]] = {
            "rigs": [a_rig(number) for number in range(30)],
            "blocks": [a_block(height) for height in (900_000, 899_000)],
            "events": [an_event(number) for number in range(1, 4)],
        }
        self.url = ""

    def answer(self, path: str, authorization: str | None) -> tuple[int, bytes]:
        parts = urlsplit(path)
        what, given = parts.path.removeprefix("/api/v1/"), dict(parse_qsl(parts.query))
        self.asked.append((what, given))
        if self.token and authorization != f"Bearer {self.token}":
            return 401, b'{"title":"A token is needed","status":401,"code":"token_needed"}'
        if what == "events":
            return 200, msgspec.json.encode({"items": self.events(given), "next": None})
        if what in self.lists:
            return 200, msgspec.json.encode(self.page(self.lists[what], given))
        if what in self.answers:
            return 200, msgspec.json.encode(self.answers[what])
        return 404, b'{"title":"Not found","status":404,"code":"not_found","detail":"no such"}'

    def events(self, given: dict[str, str]) -> list[Any]:
        after, limit = int(given.get("after", 0)), int(given["limit"])
        fresh = [each for each in self.lists["events"] if each.id > after]
        return fresh[:limit] if "after" in given else fresh[-limit:]

    def page(self, lines: list[Any], given: dict[str, str]) -> dict[str, object]:
        begin, limit = int(given.get("cursor", 0)), int(given.get("limit", 200))
        end = begin + limit
        following = str(end) if end < len(lines) else None
        return {"items": lines[begin:end], "next": following, "total": len(lines)}


@contextmanager
def fake_pool() -> Iterator[FakePool]:
    """One that answers, at its ``url``."""
    pool = FakePool()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = pool.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pool.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield pool
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
