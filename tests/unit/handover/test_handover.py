"""An old worker and a new one in one process, with all between them real: sockets, words, state."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver._vendor.asyncio_stratum import Reconnect, StratumClient
from poolserver.cluster.messages import ListenerSettings, RigsChanged
from poolserver.handover.giving import listening
from poolserver.handover.heir import Heir
from poolserver.handover.passing import Passage
from poolserver.handover.state import FORMAT, HandoverError, Hello, Taken
from poolserver.handover.talk import Talk
from poolserver.handover.upgrade import Rigs, Upgrade
from poolserver.node.process import free_port
from poolserver.server.block_desk import block_submitter
from poolserver.server.worker import Worker
from tests.unit.server.certificates import Authority
from tests.unit.server.hall import EASIEST, Hall, Rig, running, settings
from tests.unit.solving import CURTIME, REGTEST_NBITS, template


class Down:
    """The old worker's link to its coordinator."""

    is_held = False

    def hold(self) -> None:
        self.is_held = True

    def let_go(self) -> None:
        self.is_held = False


class DyingTalk(Talk):
    """Of a process that dies when it has all, and before it says so."""

    async def tell(self, word: Any, fds: Sequence[int] = ()) -> None:
        if isinstance(word, Taken):
            raise OSError("it dies")
        await super().tell(word, fds)


@dataclass
class NewProcess:
    """Stands in for the new process: ``life`` is what it does with its end of the passage."""

    life: Callable[[int], Any]
    pid: int = 4242
    is_killed: bool = False
    on_kill: Callable[[], None] = lambda: None
    ended: asyncio.Task[None] = field(init=False)

    def start(self, fd: int) -> "NewProcess":
        self.ended = asyncio.ensure_future(self.life(os.dup(fd)))
        return self

    def kill(self) -> None:
        self.is_killed = True
        self.on_kill()
        self.ended.get_loop().call_soon_threadsafe(self.ended.cancel)

    def wait(self) -> int:
        return -9 if self.is_killed else 1


@dataclass
class House:
    """An old worker that rigs mine at, and what a new one is made of."""

    folder: Path
    old: Hall
    new: Hall
    down: Down = field(default_factory=Down)
    handed: asyncio.Event = field(default_factory=asyncio.Event)
    extranonce2_size: int = 8
    heir: Heir = field(init=False)
    ends: list[Callable[[], Awaitable[None] | None]] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)

    def hello(self) -> tuple[Hello, list[int]]:
        listeners, fds = listening(self.old.worker)
        return Hello(FORMAT, "regtest", 8, listeners), fds

    async def take_over(self, fd: int) -> None:
        """The life of a new process that does what it should."""
        await self.take_with(Talk(Passage.inherited(fd, 5.0)))

    async def take_with(self, talk: Talk) -> None:
        self.heir = heir = Heir(talk)
        new = self.new
        self.ends.append(heir.give_up)
        await heir.greet()
        heir.check("regtest", self.extranonce2_size)
        new.worker = Worker(
            settings(self.folder, boot_epoch=1_763_942_400 + len(self.ends), **self.changes),
            new,
            block_submitter(self.folder / "spool", [new.node]),
            now=lambda: self.old.clock,
            unix_time=lambda: CURTIME + self.old.clock - 1000.0,
        )
        await new.worker.bind(heir.listening)
        await heir.take(new.worker)
        await heir.read()
        await new.worker.serve()

    def upgrade(self, life: Callable[[int], Any] | None = None) -> tuple[Upgrade, NewProcess]:
        process = NewProcess(life or self.take_over)
        upgrade = Upgrade(
            lambda: Rigs(self.old.worker, self.down),
            self.hello,
            self.handed.set,
            start=process.start,
        )
        self.ends.append(upgrade.end)
        return upgrade, process

    async def hand_over(self) -> None:
        upgrade, process = self.upgrade()
        upgrade.begin()
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
            await process.ended
            await self.handed.wait()
        assert not process.is_killed


@asynccontextmanager
async def house(folder: Path, **changes: Any) -> AsyncIterator[House]:
    async with AsyncExitStack() as parts:
        old = await parts.enter_async_context(running(folder, **changes))
        made = House(folder, old, Hall(), changes=changes)
        old.template(template(nbits=REGTEST_NBITS))
        yield made
        if hasattr(made.new, "worker"):
            for client in old.rigs:
                client.close()
            await made.new.worker.stop()
        for end in made.ends:
            if (ending := end()) is not None:
                await ending


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


def outcome(result: Any) -> str:
    return "accepted" if result.error is None else str(result.error.reason)


async def test_rigs_go_on_where_they_were_and_know_nothing_of_it(pair: House) -> None:
    rigs = [await pair.old.rig(f"demo.rig{n}") for n in range(3)]
    jobs = [await rig.job() for rig in rigs]
    first = [outcome(await rig.submit(job)) for rig, job in zip(rigs, jobs, strict=True)]
    await pair.hand_over()
    assert pair.old.worker.sessions == {}
    second = [outcome(await rig.submit(job)) for rig, job in zip(rigs, jobs, strict=True)]
    third = [outcome(await rig.submit(job, 1)) for rig, job in zip(rigs, jobs, strict=True)]
    assert (first, second, third) == (["accepted"] * 3, ["duplicate"] * 3, ["accepted"] * 3)
    assert all([await rig.is_told_nothing() for rig in rigs])


async def test_the_books_of_the_new_worker_are_its_own_from_the_first_share_on(
    pair: House,
) -> None:
    rig = await pair.old.rig()
    job = await rig.job()
    await rig.submit(job)
    await pair.hand_over()
    await rig.submit(job, 1)
    await rig.submit(job, 1)
    counters = pair.new.counters()
    assert counters.rigs == {"demo": 1}
    assert counters.connections == 1
    (told,) = pair.new.all_of(RigsChanged)
    assert [(news.worker, news.sessions) for news in told.rigs] == [("demo.rig", 1)]
    assert not [
        news
        for message in pair.old.all_of(RigsChanged)
        for news in message.rigs
        if not news.sessions
    ], "nobody has gone"
    await pair.new.worker.journal.settle()
    assert pair.new.worker.journal.source.endswith("/1763942402")


async def test_new_jobs_are_numbered_on_and_terms_hold_for_the_jobs_they_held_for(
    pair: House,
) -> None:
    rig = await pair.old.rig()
    old_job = await rig.job()
    before = pair.old.worker.pool.jobs.current
    await pair.hand_over()
    pair.new.template(template(height=102, tip=1, nbits=REGTEST_NBITS))
    assert await rig.is_told_nothing(), "the tip is the same, and the work as young as before"
    pair.new.template(template(height=102, tip=2, nbits=REGTEST_NBITS))
    new_job = await rig.job()
    current = pair.new.worker.pool.jobs.current
    assert before is not None
    assert current is not None
    assert current.number > before.number
    assert new_job.job_id[:12] != old_job.job_id[:12]
    assert outcome(await rig.submit(new_job)) == "accepted"
    assert outcome(await rig.submit(old_job, 5)) == "stale"


async def test_who_comes_anew_is_given_what_nobody_has(pair: House) -> None:
    rigs = [await pair.old.rig(f"demo.rig{n}") for n in range(3)]
    await pair.hand_over()
    late = await pair.new.rig("demo.late")
    values = {rig.client.connection.extranonce1 for rig in (*rigs, late)}
    assert len(values) == 4
    assert outcome(await late.submit(await late.job())) == "accepted"
    late.client.close()
    await late.client.wait_closed()


async def test_a_half_line_and_a_half_handshake_are_gone_on_with(pair: House) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", pair.old.port))
        await loop.sock_sendall(sock, b'{"id":1,"method":"mining.subscribe","params":[]}\n{"id":2,')
        assert b'"id":1' in await loop.sock_recv(sock, 4096)
        await pair.hand_over()
        await loop.sock_sendall(sock, b'"method":"mining.authorize","params":["demo.x","x"]}\n')
        heard = b""
        while b"mining.notify" not in heard.split(b"\n", 1)[-1]:
            heard += await loop.sock_recv(sock, 4096)
        assert b'{"id":2,"result":true,"error":null}' in heard


async def test_a_session_that_was_lost_before_is_resumed_after(pair: House) -> None:
    rig = await pair.old.rig()
    job = await rig.job()
    session_id = pair.old.worker.by_session_id.copy().popitem()[0]
    extranonce1 = rig.client.connection.extranonce1
    rig.client.close()
    await rig.client.wait_closed()
    while pair.old.worker.sessions:  # noqa: ASYNC110 - its end comes in a later turn
        await asyncio.sleep(0)
    await pair.hand_over()
    client = await StratumClient.connect("127.0.0.1", pair.new.port, user_agent="test-rig/1.0")
    pair.old.rigs.append(client)
    client.subscribe(session_id)
    client.authorize("demo.rig")
    again = Rig(client, "demo.rig")
    await again.answers(2)
    assert client.connection.extranonce1 == extranonce1
    assert outcome(await again.submit(job)) == "accepted"
    assert pair.new.worker.pool.resumed == 1


@pytest.mark.parametrize("stage", ["at once", "after the greeting", "with all in its hands"])
async def test_where_the_new_process_fails_the_old_one_goes_on(pair: House, stage: str) -> None:
    rigs = [await pair.old.rig(f"demo.rig{n}") for n in range(3)]
    jobs = [await rig.job() for rig in rigs]

    async def fails(fd: int) -> None:
        talk = DyingTalk(Passage.inherited(fd, 5.0))
        try:
            if stage == "after the greeting":
                heir = Heir(talk)
                await heir.greet()
                heir.give_up()
            elif stage == "with all in its hands":
                with pytest.raises(OSError, match="it dies"):
                    await pair.take_with(talk)
        finally:
            talk.end()

    upgrade, process = pair.upgrade(fails)
    with capture_logs() as logs:
        upgrade.begin()
        upgrade.begin()
        async with asyncio.timeout(10):
            while "upgrade_failed" not in {log["event"] for log in logs}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert [log["event"] for log in logs].count("upgrade_refused") == 1
    assert process.is_killed
    assert not pair.handed.is_set()
    assert not pair.down.is_held
    answers = [outcome(await rig.submit(job)) for rig, job in zip(rigs, jobs, strict=True)]
    assert answers == ["accepted"] * 3
    late = await pair.old.rig("demo.late")
    assert outcome(await late.submit(await late.job())) == "accepted"
    if stage == "with all in its hands":
        await pair.new.worker.stop()
        del pair.new.worker
    await pair.hand_over()  # and it may be tried again
    assert outcome(await rigs[0].submit(jobs[0], 9)) == "accepted"


async def test_after_a_bug_there_may_be_another_upgrade(pair: House) -> None:
    def buggy() -> tuple[Hello, list[int]]:
        raise KeyError("a bug")

    upgrade, _ = pair.upgrade()
    upgrade._hello = buggy
    with capture_logs() as logs:
        assert upgrade.begin()
        async with asyncio.timeout(10):
            while upgrade.is_under_way:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
    (told,) = [each for each in logs if each["log_level"] == "error"]
    assert "a bug" in told["reason"]
    assert upgrade.begin()
    await upgrade.close()


async def test_a_new_process_that_is_given_up_is_dead_before_the_talk_ends(
    pair: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the end of the talk for ours, and read what rigs say with its last breath."""
    has_begun, order, end = asyncio.Event(), list[str](), Talk.end

    def noted_end(talk: Talk) -> None:
        order.append("the talk ends")
        end(talk)

    async def waits(fd: int) -> None:
        has_begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Talk, "end", noted_end)
    upgrade, process = pair.upgrade(waits)
    process.on_kill = lambda: order.append("it is killed")
    upgrade.begin()
    await has_begun.wait()
    await upgrade.close()
    assert order == ["it is killed", "the talk ends"]
    assert outcome(await (rig := await pair.old.rig()).submit(await rig.job())) == "accepted"


async def test_a_process_that_ends_begins_no_upgrade(pair: House) -> None:
    """As for a reload whose file was still read when SIGTERM came: the heir would go on."""
    upgrade, process = pair.upgrade()
    await upgrade.close()
    assert not upgrade.begin()
    await asyncio.sleep(0)
    assert not hasattr(process, "ended")
    assert not upgrade.is_under_way


async def test_another_extranonce2_size_needs_a_restart(pair: House) -> None:
    pair.extranonce2_size = 4
    upgrade, process = pair.upgrade()
    upgrade.begin()
    await asyncio.sleep(0)
    with pytest.raises(HandoverError, match="extranonce2_size is 4, was 8"):
        await process.ended
    await upgrade.close()
    assert process.is_killed
    assert outcome(await (rig := await pair.old.rig()).submit(await rig.job())) == "accepted"


async def test_tls_rigs_are_told_to_come_again_and_find_their_session(
    authority: Authority, tmp_path: Path
) -> None:
    authority.write()
    files = str(authority.cert_file), str(authority.key_file)
    listeners = (
        ListenerSettings("127.0.0.1", free_port(), EASIEST, EASIEST, EASIEST),
        ListenerSettings("127.0.0.1", free_port(), EASIEST, EASIEST, EASIEST, *files),
    )
    async with house(tmp_path, listeners=listeners) as pair:
        plain = await pair.old.rig("demo.plain")
        client = await StratumClient.connect(
            "127.0.0.1", listeners[1].port, user_agent="test-rig/1.0", ssl=authority.client
        )
        pair.old.rigs.append(client)
        client.subscribe()
        client.authorize("demo.tls")
        rig = Rig(client, "demo.tls")
        await rig.answers(2)
        await rig.job()
        with capture_logs() as logs:
            await pair.hand_over()
        (told,) = [log for log in logs if log["event"] == "rigs_handed_over"]
        assert (told["rigs"], told["asked_to_reconnect"]) == (1, 1)
        assert isinstance(await rig.event(), Reconnect)
        assert list(pair.new.worker.pool.lost) != []
        assert outcome(await plain.submit(await plain.job())) == "accepted"


async def test_rigs_of_a_listener_that_is_no_more_are_told_to_come_again(tmp_path: Path) -> None:
    first, second = (
        ListenerSettings("127.0.0.1", free_port(), EASIEST, EASIEST, EASIEST) for _ in range(2)
    )
    async with house(tmp_path, listeners=(first, second)) as pair:
        rig = await pair.old.rig()
        await rig.job()
        pair.changes = {"listeners": (second,)}
        await pair.hand_over()
        assert isinstance(await rig.event(), Reconnect)
        (sock,) = pair.heir.listening["127.0.0.1", first.port]
        assert sock.fileno() == -1, "nobody is let in there any more"
