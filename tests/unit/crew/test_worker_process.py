"""A worker process begins when it is told what it is, and ends alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver.cluster.messages import (
    ListenerSettings,
    TemplateUpdate,
    Up,
    WorkerFailed,
    WorkerHello,
    WorkerSettings,
    WorkerStarted,
)
from poolserver.crew import worker_process
from poolserver.crew.hub import Hub, Visitor
from poolserver.crew.lock import ProcessLock
from poolserver.crew.post import post_dir, worker_lock
from poolserver.crew.worker_process import serve_worker
from tests.unit.server import hall
from tests.unit.solving import template


class Host:
    """A coordinator that has settings and a template for whoever comes."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.hub = Hub(self, lambda: 0.0)
        self.heard: list[Up] = []
        self.has_come = asyncio.Event()
        self._settings = settings

    def welcome(self, visitor: Visitor, hello: WorkerHello) -> None:
        visitor.link.send(self._settings)
        self.hub.admit(visitor)
        self.has_come.set()

    def hear(self, visitor: Visitor, message: Up) -> None:
        self.heard.append(message)

    def parted(self, visitor: Visitor) -> None: ...

    async def hears(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(10):
            while not (  # noqa: ASYNC110 - of a process
                told := [each for each in self.heard if isinstance(each, kind)]
            ):
                await asyncio.sleep(0.01)
        return told[0]


@asynccontextmanager
async def host_of(folder: Path, **changes: Any) -> AsyncIterator[Host]:
    host = Host(hall.settings(folder, **changes))
    await host.hub.open(post_dir(folder))
    try:
        yield host
    finally:
        await host.hub.close()


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "CHECK_INTERVAL_S", 0.01)


async def test_it_listens_once_there_is_work_and_ends_alone(tmp_path: Path) -> None:
    async with host_of(tmp_path, alone_for_s=0.05) as host:
        life = asyncio.create_task(serve_worker(post_dir(tmp_path), 0))
        await host.has_come.wait()
        assert host.heard == []
        assert not (tmp_path / "journal").exists()
        host.hub.send(TemplateUpdate(template()))
        started = await host.hears(WorkerStarted)
        _, writer = await asyncio.open_connection("127.0.0.1", started.ports[0])
        writer.close()
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            assert await life
    assert "worker_alone_for_long" in [each["event"] for each in logs]
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", started.ports[0])


async def test_why_it_cannot_start_is_told(tmp_path: Path) -> None:
    no_certificate = ListenerSettings(
        "127.0.0.1", 0, 1.0, 1.0, 1.0, tls_cert=str(tmp_path / "no.pem"), tls_key="no.key"
    )
    async with host_of(tmp_path, listeners=(no_certificate,)) as host:
        host.hub.send(TemplateUpdate(template()))
        assert not await serve_worker(post_dir(tmp_path), 0)
        failed = await host.hears(WorkerFailed)
        assert "no.pem" in failed.reason


async def test_a_second_one_of_its_number_is_none(tmp_path: Path) -> None:
    lock = ProcessLock(worker_lock(post_dir(tmp_path), 0))
    with capture_logs() as logs:
        assert not await serve_worker(post_dir(tmp_path), 0)
    assert [each["event"] for each in logs] == ["worker_dismissed"]
    lock.release()


async def test_without_settings_it_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "SETTINGS_TIMEOUT_S", 0.05)
    with capture_logs() as logs:
        assert not await serve_worker(post_dir(tmp_path), 0)
    assert [each["event"] for each in logs] == ["worker_not_begun"]
