"""The worker process on a real loop, with clocks that the test turns and a node that obeys it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from poolserver._vendor.asyncio_stratum import (
    Notify,
    SetDifficulty,
    StratumClient,
)
from poolserver.bitcoin.networks import REGTEST
from poolserver.cluster import timings
from poolserver.cluster.messages import (
    BlockEvent,
    ListenerSettings,
    OurBlock,
    TemplateConfirmed,
    TemplateUpdate,
    WorkerStarted,
    WorkOutdated,
)
from poolserver.ledger.records import JournalBatch
from poolserver.mining.job import Job
from poolserver.mining.miner import Miner
from poolserver.server.block_desk import block_submitter
from poolserver.server.worker import Worker
from tests.unit.counters import worker_counters
from tests.unit.server.hall import (
    EASIEST,
    GRACE_S,
    MAX_AGE_S,
    REFRESH_S,
    SOURCE,
    Hall,
    running,
    settings,
)
from tests.unit.solving import CURTIME, REGTEST_NBITS, template

# --- templates out ---------------------------------------------------------------------------


async def test_a_template_goes_to_every_rig_as_a_clean_job(hall: Hall) -> None:
    rigs = [await hall.rig("demo.a"), await hall.rig("demo.b")]
    hall.template(template())
    jobs = [await rig.job() for rig in rigs]
    assert all(job.clean_jobs for job in jobs)
    assert jobs[0] == jobs[1]
    assert jobs[0].prevhash_le == template().prevhash_le


async def test_a_new_tip_goes_out_at_once_and_is_clean(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.template(template(height=102, tip=2))
    job = await rig.job()
    assert job.clean_jobs
    assert job.prevhash_le == bytes([2]) * 32


async def test_an_empty_block_takes_the_place_of_a_refused_one_at_once(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.template(template().emptied(REGTEST))
    instead = await rig.job()
    assert instead.clean_jobs  # the work that is out is worth nothing
    assert instead.merkle_branch == ()
    hall.tick(REFRESH_S)
    assert not (await rig.job()).clean_jobs
    hall.template(template())
    again = await rig.job()
    assert not again.clean_jobs
    assert len(again.merkle_branch) == 2


async def test_a_fresher_template_of_the_same_tip_waits_for_the_refresh(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.template(template(height=101))
    hall.tick(REFRESH_S - 0.1)
    assert await rig.is_told_nothing()
    hall.tick(0.1)
    job = await rig.job()
    assert not job.clean_jobs
    hall.tick(REFRESH_S - 0.1)
    assert await rig.is_told_nothing()


async def test_a_refreshed_job_has_the_time_of_now(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    first = await rig.job()
    hall.tick(REFRESH_S)
    assert (await rig.job()).ntime == first.ntime + REFRESH_S


async def test_the_first_job_of_a_rig_is_clean_though_others_were_sent_a_refresh(
    hall: Hall,
) -> None:
    hall.template(template())
    rig = await hall.rig()
    assert (await rig.job()).clean_jobs
    hall.tick(REFRESH_S)
    other = await hall.rig("demo.other")
    assert (await other.job()).clean_jobs


async def test_no_work_is_refreshed_on_a_template_that_is_too_old(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.tick(MAX_AGE_S + 1)
    assert await rig.is_told_nothing()


async def test_rigs_are_sent_away_when_the_node_has_been_gone_for_too_long(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.tick(MAX_AGE_S + GRACE_S)
    assert await rig.is_told_nothing()
    hall.tick(0.1)
    async with asyncio.timeout(5):
        await rig.client.wait_closed()


async def test_a_rig_that_comes_back_too_soon_gets_no_work_that_may_be_stale(hall: Hall) -> None:
    hall.template(template())
    hall.tick(MAX_AGE_S + GRACE_S + 0.1)
    client = await StratumClient.connect("127.0.0.1", hall.port)
    hall.rigs.append(client)
    client.subscribe()
    client.authorize("demo.rig")
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            assert not [event async for event in client if isinstance(event, Notify)]


async def test_a_node_that_confirms_its_template_keeps_the_rigs(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.clock += MAX_AGE_S + GRACE_S
    hall.worker.receive(TemplateConfirmed())
    hall.tick(1)
    assert not (await rig.job()).clean_jobs  # a refresh, and no farewell


async def test_rigs_are_sent_away_soon_when_their_work_is_known_to_be_outdated(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.worker.receive(WorkOutdated())
    hall.tick(GRACE_S)
    assert await rig.is_told_nothing()  # such work is not refreshed either
    hall.tick(0.1)
    async with asyncio.timeout(5):
        await rig.client.wait_closed()


@pytest.mark.parametrize("comes", ["template", "confirmation"])
async def test_rigs_stay_when_work_that_was_outdated_is_good_again(hall: Hall, comes: str) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.worker.receive(WorkOutdated())
    hall.tick(GRACE_S)
    if comes == "template":
        hall.template(template(height=102, tip=2))
        assert (await rig.job()).clean_jobs
    else:
        hall.worker.receive(TemplateConfirmed())
    hall.tick(REFRESH_S)
    assert not (await rig.job()).clean_jobs


async def test_outdated_work_does_not_lengthen_the_wait_for_a_node(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.clock += MAX_AGE_S + GRACE_S - 1
    hall.worker.receive(WorkOutdated())
    hall.tick(1.1)
    async with asyncio.timeout(5):
        await rig.client.wait_closed()


async def test_job_ids_do_not_repeat(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    for tip in (2, 3, 2, 3):
        hall.template(template(tip=tip))
        hall.tick(REFRESH_S)
    while len(rig.jobs) < 9:
        await rig.job()
    assert len({job.job_id for job in rig.jobs}) == 9


async def test_job_ids_do_not_repeat_over_a_restart(tmp_path: Path) -> None:
    ids = []
    for epoch in (17, 18):
        async with running(tmp_path, boot_epoch=epoch) as hall:
            hall.template(template())
            ids.append((await (await hall.rig()).job()).job_id)
    assert ids[0] != ids[1]


async def test_a_template_that_no_coinbase_can_be_made_for_leaves_the_rigs_at_work(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, coinbase_tag=b"x" * 90) as hall:
        rig = await hall.rig()
        hall.template(template())
        hall.tick(REFRESH_S)
        assert await rig.is_told_nothing()


# --- rigs ------------------------------------------------------------------------------------


async def test_each_session_has_an_extranonce_of_its_own(hall: Hall) -> None:
    rigs = [await hall.rig(f"demo.{n}") for n in range(3)]
    assert len({rig.client.connection.extranonce1 for rig in rigs}) == 3
    assert {rig.client.connection.extranonce2_size for rig in rigs} == {8}


async def test_each_listener_has_its_own_difficulty(tmp_path: Path) -> None:
    listeners = tuple(ListenerSettings("127.0.0.1", 0, d, d, d) for d in (EASIEST, 512.0))
    async with running(tmp_path, listeners=listeners) as hall:
        hall.template(template())
        (started,) = hall.all_of(WorkerStarted)
        for port, difficulty in zip(started.ports, (EASIEST, 512.0), strict=True):
            client = await StratumClient.connect("127.0.0.1", port)
            hall.rigs.append(client)
            client.subscribe()
            client.authorize("demo.rig")
            told = [await anext(client) for _ in range(4)]
            assert SetDifficulty(difficulty) in told


async def test_the_sweep_lowers_the_difficulty_of_a_silent_rig(tmp_path: Path) -> None:
    listeners = (ListenerSettings("127.0.0.1", 0, 1024.0, 1.0, 4096.0),)
    async with running(tmp_path, listeners=listeners) as hall:
        hall.template(template())
        rig = await hall.rig()
        await rig.job()
        hall.tick(25.0)
        assert await rig.is_told_nothing()
        hall.worker.receive(TemplateConfirmed())
        hall.tick(26.0, sweep=True)
        lowered = await rig.event()
        while not isinstance(lowered, SetDifficulty):
            lowered = await rig.event()
        assert lowered.difficulty < 1024.0


# --- what it tells ---------------------------------------------------------------------------


async def test_it_tells_where_it_listens(hall: Hall) -> None:
    assert hall.said[0] == WorkerStarted(SOURCE, (hall.port,))
    assert hall.port > 0


async def test_the_counters_are_those_of_its_rigs(hall: Hall) -> None:
    assert replace(hall.counters(), timed={}) == worker_counters(
        source=SOURCE, connections=0, rigs={}, jobs=0, certificate_expires_unix=None
    )
    hall.template(template())
    rig, _ = await hall.rig("demo.a"), await hall.rig("demo.b")
    rig.client.authorize("demo.c")
    await rig.answers(1)
    rig.client.write_rendered(b"{nonsense\n")
    await rig.is_told_nothing()
    assert replace(hall.counters(), timed={}, journal_held=0) == worker_counters(
        source=SOURCE, connections=2, rigs={"demo": 3}, malformed=1, certificate_expires_unix=None
    )


async def test_a_rig_that_has_left_is_counted_no_more(hall: Hall) -> None:
    rig = await hall.rig()
    rig.client.close()
    await rig.client.wait_closed()
    other = await hall.rig("demo.other")  # by now the loop has seen the first one off
    assert hall.counters().rigs == {"demo": 1}
    assert await other.is_told_nothing()


async def test_a_share_is_answered_and_its_record_goes_up_once_it_is_safe(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    assert (await rig.submit(await rig.job())).accepted
    # The template, the worker, the share.
    await hall.until(lambda: sum(batch.count for batch in hall.all_of(JournalBatch)) == 3)
    assert {batch.source for batch in hall.all_of(JournalBatch)} == {SOURCE}
    assert hall.all_of(BlockEvent) == []


async def test_a_block_is_submitted_spooled_and_told(hall: Hall, tmp_path: Path) -> None:
    hall.template(template(nbits=REGTEST_NBITS))
    hall.node.may_answer.clear()
    rig = await hall.rig()
    assert (await rig.submit(await rig.job())).accepted  # it does not wait for the node's word
    (found,) = hall.all_of(BlockEvent)
    assert (found.source, found.height, found.worker_name) == (SOURCE, 101, "demo.rig")
    assert (found.state, found.unix_ms) == ("found", CURTIME * 1000)
    assert (tmp_path / "spool" / f"{found.hash_hex}.json").exists()
    hall.node.may_answer.set()
    await hall.until(lambda: len(hall.all_of(BlockEvent)) == 2)
    assert hall.all_of(BlockEvent)[1].state == "accepted"
    assert len(hall.node.submitted) == 1


async def test_every_rig_is_let_go_when_it_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as hall:
        hall.template(template())
        rig = await hall.rig()
        await hall.worker.stop()
        async with asyncio.timeout(5):
            await rig.client.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await StratumClient.connect("127.0.0.1", hall.port)


async def test_an_address_that_is_taken_is_named(hall: Hall, tmp_path: Path) -> None:
    taken = (ListenerSettings("127.0.0.1", hall.port, 1.0, 1.0, 1.0),)
    other = Worker(
        settings(tmp_path / "other", listeners=taken), hall, block_submitter(tmp_path, [])
    )
    with pytest.raises(OSError, match=str(hall.port)):
        await other.start()
    await other.stop()


async def test_what_goes_wrong_with_one_session_ends_that_one_alone(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled, sound = await hall.rig("demo.a"), await hall.rig("demo.b")
    issue = hall.worker.pool.issue
    failed: list[Miner] = []

    def fail_once(miner: Miner, job: Job) -> float | None:
        if not failed:
            failed.append(miner)
            raise ValueError("a fault of ours")
        return issue(miner, job)

    monkeypatch.setattr(hall.worker.pool, "issue", fail_once)
    hall.template(template())
    for rig in (spoiled, sound):
        async with asyncio.timeout(5):
            if rig.client.connection.extranonce1 == failed[0].extranonce1:
                await rig.client.wait_closed()
            else:
                await rig.job()


async def test_ntime_goes_by_the_nodes_clock_and_not_by_ours(hall: Hall) -> None:
    hall.template(template())
    hall.clock += 7.0
    assert hall.worker.unix_time() == template().curtime + 7


async def test_work_that_comes_late_is_as_old_as_it_is(hall: Hall) -> None:
    """To a worker that begins after the template came: it would be trusted for too long."""
    rig = await hall.rig()
    hall.worker.receive(TemplateUpdate(template(), 40.0, MAX_AGE_S + GRACE_S - 1))
    assert hall.worker.unix_time() == CURTIME + 40
    await rig.job()
    hall.tick(0.5)
    assert not hall.worker.freshness.is_lost(hall.clock)
    hall.tick(1.0)
    assert hall.worker.freshness.is_lost(hall.clock)


async def test_another_workers_block_is_ours_too(hall: Hall) -> None:
    hall.worker.receive(OurBlock("ab" * 32))
    assert "ab" * 32 in hall.worker.blocks._submitter._ours


# --- what is timed ---------------------------------------------------------------------------


def noted(hall: Hall, name: str) -> tuple[int, float]:
    """How many, and how long all took."""
    told = hall.counters().timed[name]
    return sum(told.counts), told.seconds


async def test_each_share_is_timed_on_either_road(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    job = await rig.job()
    for answered in (1, 2, 3):  # the first goes the plain path, the next ones the lane
        assert (await rig.submit(job, number=answered)).accepted
        assert noted(hall, timings.SHARE_LATENCY)[0] == answered


async def test_a_new_tip_is_timed_from_the_nodes_word_to_the_last_rig(hall: Hall) -> None:
    hall.worker.receive(TemplateUpdate(template(), heard_at=hall.clock))
    assert noted(hall, timings.NEW_TIP) == (0, 0.0)  # there is no rig
    rig = await hall.rig()
    await rig.job()
    heard_at = hall.clock - 0.25
    hall.worker.receive(TemplateUpdate(template(tip=2), heard_at=heard_at))
    hall.worker.receive(TemplateUpdate(template(tip=2)))
    assert noted(hall, timings.NEW_TIP) == (1, 0.25)
    assert noted(hall, timings.FAN_OUT)[0] == 2
