"""A rig's session, byte by byte."""

import msgspec
import pytest

from poolserver._vendor.asyncio_stratum import Submit
from poolserver.judge import NO_HASH
from poolserver.ledger.records import NO_WORKER
from poolserver.mining import extranonce
from poolserver.mining.share import ShareOutcome
from poolserver.mining.transactions import BlockTransactions
from poolserver.mining.vardiff import VardiffTerms
from tests.unit.server.wire import (
    AUTHORIZE,
    AUTHORIZED,
    DIFFICULTY_EASY,
    SUBSCRIBE,
    FakeHouse,
    Line,
    accepted,
    messages,
    methods,
    mining_line,
    submit_line,
    subscribed,
)
from tests.unit.solving import CURTIME, EASY, REGTEST_NBITS, make_pool, template, vardiff_terms

# --- the handshake ---------------------------------------------------------------------------


async def test_difficulty_and_a_clean_job_come_when_both_are_done(house: FakeHouse) -> None:
    job, line = house.work(), Line(house)
    assert line.say(SUBSCRIBE) == [subscribed(line)]
    assert line.say(AUTHORIZE) == [AUTHORIZED + DIFFICULTY_EASY + job.variants[0].notify_clean]


async def test_a_rig_may_authorize_first(house: FakeHouse) -> None:
    job, line = house.work(), Line(house)
    assert line.say(AUTHORIZE) == [AUTHORIZED]
    assert line.say(SUBSCRIBE) == [
        subscribed(line) + DIFFICULTY_EASY + job.variants[0].notify_clean
    ]


async def test_a_rig_that_comes_before_the_first_template_gets_its_job_with_it(
    house: FakeHouse,
) -> None:
    line = Line(house)
    assert methods(line.say(SUBSCRIBE, AUTHORIZE)) == [1, 2]
    job = house.work()
    line.session.send_job(job, clean=True)
    assert line.heard() == [DIFFICULTY_EASY + job.variants[0].notify_clean]


async def test_no_job_goes_to_a_rig_that_is_not_authorized(house: FakeHouse) -> None:
    job, line = house.work(), Line(house)
    line.say(SUBSCRIBE)
    line.session.send_job(job, clean=True)
    line.session.tick(1e6)
    assert line.heard() == []


async def test_an_account_that_is_not_known_is_refused_and_may_try_again(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    line.say(SUBSCRIBE)
    refusal = line.say(b'{"id":3,"method":"mining.authorize","params":["stranger","x"]}\n')
    assert refusal == [b'{"id":3,"result":null,"error":[24,"unauthorized",null]}\n']
    assert house.journal.names == []
    assert methods(line.say(AUTHORIZE)) == [2, "mining.set_difficulty", "mining.notify"]


async def test_a_second_worker_gets_an_answer_and_no_second_job(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    second = AUTHORIZE.replace(b"demo.rig", b"demo.other")
    assert line.say(second) == [AUTHORIZED]
    assert house.journal.names == [("demo", "demo.rig"), ("demo", "demo.other")]
    assert line.say(second) == [AUTHORIZED]
    assert len(house.journal.names) == 2


# --- shares ----------------------------------------------------------------------------------


async def test_an_accepted_share_is_journalled_and_answered_true(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    share = line.solve(job)
    assert line.say(submit_line(share)) == []
    ((ref, outcome, proven, work, number, hash_le),) = house.journal.records
    assert (ref, outcome, proven, number) == (1, ShareOutcome.ACCEPTED, True, job.number)
    assert work == 4
    assert hash_le != NO_HASH
    house.journal.let_go()
    assert line.heard() == [accepted()]


async def test_a_refused_share_is_journalled_and_answered_with_code_and_reason(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(submit_line(line.solve(job)), submit_line(line.solve(job), 5))
    house.journal.let_go()
    assert line.heard() == [accepted() + b'{"id":5,"result":null,"error":[22,"duplicate",null]}\n']
    assert [record[1] for record in house.journal.records] == [
        ShareOutcome.ACCEPTED,
        ShareOutcome.DUPLICATE,
    ]


async def test_replies_are_held_until_the_journal_lets_them_go(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    for number in range(3):
        assert line.say(submit_line(line.solve(job, number), 4 + number)) == []
    newer = house.work()
    line.session.send_job(newer, clean=False)
    assert line.heard() == [newer.variants[0].notify_refresh]  # a job waits for nothing
    house.journal.let_go()
    assert line.heard() == [accepted(4), accepted(5), accepted(6)]


async def test_the_answers_of_one_turn_are_one_write(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(*(submit_line(line.solve(job, number), 4 + number) for number in range(3)))
    house.journal.let_go()
    assert line.heard() == [accepted(4) + accepted(5) + accepted(6)]


async def test_the_release_of_one_share_does_not_let_out_the_answer_to_a_later_one(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(submit_line(line.solve(job, 0), 4))
    first_is_safe = house.journal.waiting.pop()
    line.say(submit_line(line.solve(job, 1), 5))  # recorded after what is safe now
    first_is_safe()
    assert 5 not in methods(line.heard())
    house.journal.let_go()
    assert methods(line.heard())[-1] == 5


async def test_a_share_before_authorizing_is_refused_and_booked_to_nobody(
    house: FakeHouse,
) -> None:
    job, line = house.work(), Line(house)
    line.say(SUBSCRIBE)
    line.say(submit_line(Submit(4, "demo.rig", job.job_id, bytes(8), CURTIME, 0, None)))
    house.journal.let_go()
    (answer,) = messages(line.heard())
    # Nobody is authorized, and no job went out here: either may be said.
    assert answer["error"][:2] in ([24, "unauthorized"], [21, "job_not_found"])
    assert line.transport.ended == ""
    assert [record[0] for record in house.journal.records] == [NO_WORKER]


async def test_each_worker_of_a_connection_has_its_own_books(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(AUTHORIZE.replace(b"demo.rig", b"demo.other"))
    line.say(submit_line(line.solve(job, 1)))
    line.say(submit_line(line.solve(job, 2)._replace(worker_name="demo.other")))
    assert [record[0] for record in house.journal.records] == [1, 2]


NOT_RECORDED = b'{"id":%d,"result":null,"error":[20,"not_recorded",null]}\n'


async def test_a_share_that_cannot_be_recorded_gets_no_credit_and_its_rig_is_told(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    house.journal.is_full = True
    share = line.solve(job)
    assert line.say(submit_line(share)) == [NOT_RECORDED % 4]
    assert house.journal.records == []
    assert line.session.conduct is None  # the fault is the pool's
    again = line.say(submit_line(share, 5))
    assert again == [b'{"id":5,"result":null,"error":[22,"duplicate",null]}\n']


async def test_a_block_is_recorded_and_answered_true_whatever_the_disk_is_like(
    house: FakeHouse,
) -> None:
    house.pool = make_pool(cap_at_network_difficulty=False)
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    house.journal.is_full = True
    line.say(submit_line(line.solve(job)))
    assert len(house.blocks) == len(house.journal.found) == len(house.journal.records) == 1


# --- blocks ----------------------------------------------------------------------------------


async def test_the_answer_to_a_block_waits_until_it_is_spooled(house: FakeHouse) -> None:
    house.pool = make_pool(cap_at_network_difficulty=False)
    job = house.work(nbits=REGTEST_NBITS)
    line, other = mining_line(house), mining_line(house)
    line.say(submit_line(line.solve(job)))
    ((block, worker_name, on_spooled),) = house.blocks
    assert (block.height, worker_name) == (101, "demo.rig")
    assert block.hash_hex == house.journal.records[0][5][::-1].hex()
    assert house.journal.found == [(101, house.journal.records[0][5], 1)]
    assert house.journal.paid == [job.variants[line.session.miner.coinbase_class].distribution]
    other.say(submit_line(Submit(4, "demo.rig", "no-such-job", bytes(8), CURTIME, 0, None)))
    house.journal.let_go()
    assert line.heard() == []
    assert methods(other.heard()) == [4]
    on_spooled()
    assert line.heard() == [accepted()]


async def test_other_answers_of_the_rig_do_not_wait_for_its_block(house: FakeHouse) -> None:
    house.pool = make_pool(cap_at_network_difficulty=False)
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    lost = Submit(5, "demo.rig", "no-such-job", bytes(8), CURTIME, 0, None)
    line.say(submit_line(line.solve(job)), submit_line(lost, 5))
    house.journal.let_go()
    assert methods(line.heard()) == [5]
    house.blocks[0][2]()
    assert line.heard() == [accepted()]


async def test_a_block_that_is_spooled_first_still_waits_for_the_journal(house: FakeHouse) -> None:
    house.pool = make_pool(cap_at_network_difficulty=False)
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    line.say(submit_line(line.solve(job)))
    house.blocks[0][2]()
    assert line.heard() == []
    house.journal.let_go()
    assert line.heard() == [accepted()]


async def test_a_rig_that_has_left_is_not_missed_when_its_block_is_spooled(
    house: FakeHouse,
) -> None:
    house.pool = make_pool(cap_at_network_difficulty=False)
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    line.say(submit_line(line.solve(job)))
    line.hang_up()
    house.blocks[0][2]()
    house.journal.let_go()
    assert line.heard() == []


# --- difficulty ------------------------------------------------------------------------------


async def test_silence_brings_a_lower_difficulty_and_a_fresh_job_in_one_write(
    house: FakeHouse,
) -> None:
    first = house.work()
    line = mining_line(house)
    line.session.tick(10.0)
    assert line.heard() == []
    house.clock = 60.0
    line.session.tick(60.0)
    (write,) = line.heard()
    lower, fresh = messages([write])
    assert lower["params"] == [2.0**-32]
    assert fresh["params"][0] != first.job_id
    assert fresh["params"][8] is False


async def test_shares_that_come_too_fast_bring_a_higher_difficulty(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    pushes: list[list[bytes]] = []
    for number in range(50):
        house.clock += 0.5
        if writes := line.say(submit_line(line.solve(job, number))):
            pushes.append(writes)
        house.journal.let_go()
        assert line.heard() == [accepted()]
    (change,) = pushes
    assert len(change) == 1
    assert methods(change) == ["mining.set_difficulty", "mining.notify"]
    assert messages(change)[0]["params"] == [EASY * 8]


async def test_a_suggestion_before_the_handshake_is_the_start(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    assert line.ask("mining.suggest_difficulty", 2.0**-20)["result"] is True
    writes = line.say(SUBSCRIBE, AUTHORIZE)
    assert messages(writes)[2]["params"] == [2.0**-20]


async def test_a_suggestion_after_the_handshake_comes_with_a_fresh_job(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    writes = line.say(b'{"id":3,"method":"mining.suggest_difficulty","params":[0.5]}\n')
    assert len(writes) == 1
    assert methods(writes) == ["mining.set_difficulty", "mining.notify", 3]
    lower, fresh, _ = messages(writes)
    assert lower["params"] == [0.5]
    assert fresh["params"][0] != job.job_id


async def test_a_suggested_target_is_the_same_as_its_difficulty(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    writes = line.say(
        b'{"id":3,"method":"mining.suggest_target","params":["%064x"]}\n' % (0xFFFF << 209)
    )
    assert messages(writes)[0]["params"] == [0.5]


async def test_the_suggestion_that_is_in_force_already_brings_no_job(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    line.ask("mining.suggest_difficulty", 0.5)
    assert methods(line.say(b'{"id":3,"method":"mining.suggest_difficulty","params":[0.5]}\n')) == [
        3
    ]


async def test_a_suggestion_is_not_heard_once_there_are_shares(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(submit_line(line.solve(job)))
    house.journal.let_go()
    line.heard()
    assert methods(line.say(b'{"id":3,"method":"mining.suggest_difficulty","params":[0.5]}\n')) == [
        3
    ]


CONFIGURE = (
    b'{"id":3,"method":"mining.configure","params":[["version-rolling","minimum-difficulty"],'
    b'{"version-rolling.mask":"1fffe000","minimum-difficulty.value":0.5}]}\n'
)
CONFIGURED = (
    b'{"id":3,"result":{"version-rolling":true,"minimum-difficulty":true,'
    b'"version-rolling.mask":"1fffe000"},"error":null}\n'
)


async def test_configure_grants_version_rolling_and_a_minimum_difficulty(house: FakeHouse) -> None:
    assert Line(house).say(CONFIGURE) == [CONFIGURED]


async def test_the_minimum_difficulty_that_was_granted_holds_from_the_first_job_on(
    house: FakeHouse,
) -> None:
    house.work()
    line = Line(house)
    line.say(CONFIGURE)
    writes = line.say(SUBSCRIBE, AUTHORIZE)
    assert messages(writes)[2]["params"] == [0.5]


async def test_silence_does_not_go_below_the_minimum_difficulty_that_was_granted(
    house: FakeHouse,
) -> None:
    house.work()
    line = Line(house, vardiff_terms(start=8.0))
    line.say(CONFIGURE, SUBSCRIBE, AUTHORIZE)
    house.clock = 1000.0
    line.session.tick(1000.0)
    assert messages(line.heard())[0]["params"] == [0.5]


async def test_a_minimum_above_the_listeners_maximum_is_not_granted(house: FakeHouse) -> None:
    pinned = VardiffTerms(target_shares_per_minute=12, start=EASY, minimum=EASY, maximum=EASY)
    answer = Line(house, pinned).ask(
        "mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 0.5}
    )
    assert answer["result"] == {"minimum-difficulty": False}


async def test_one_wish_after_the_other_makes_no_job_for_each(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    for number in range(100):
        line.ask("mining.suggest_difficulty", 2.0 ** -(number % 20))
    assert len(house.pool.jobs) == 2
    house.clock += 3.0
    line.ask("mining.suggest_difficulty", 0.5)
    assert len(house.pool.jobs) == 3


# --- what is not well-formed -----------------------------------------------------------------


async def test_a_malformed_share_is_journalled_for_the_one_worker_that_is_there(
    house: FakeHouse,
) -> None:
    house.work()
    line = mining_line(house)
    answer = line.ask("mining.submit", "demo.rig", "job", "zz", "", "")
    assert answer["error"][0] == 20
    assert house.malformed == 1
    assert house.journal.records == [(1, ShareOutcome.MALFORMED, False, 0, 0, NO_HASH)]


async def test_a_malformed_share_of_one_of_several_workers_is_booked_to_nobody(
    house: FakeHouse,
) -> None:
    house.work()
    line = mining_line(house)
    line.say(AUTHORIZE.replace(b"demo.rig", b"demo.other"))
    line.ask("mining.submit")
    assert [record[:2] for record in house.journal.records] == [(NO_WORKER, ShareOutcome.MALFORMED)]


async def test_a_share_before_subscribing_is_journalled_as_such(house: FakeHouse) -> None:
    house.work()
    answer = Line(house).ask("mining.submit", "demo.rig", "job", "00" * 8, "00" * 4, "00" * 4)
    assert answer["error"] == [25, "not_subscribed", None]
    assert [record[:2] for record in house.journal.records] == [
        (NO_WORKER, ShareOutcome.NOT_SUBSCRIBED)
    ]


async def test_other_nonsense_is_counted_and_not_journalled(house: FakeHouse) -> None:
    line = Line(house)
    line.say(b"{nonsense\n", b'{"id":1,"method":"mining.make_tea","params":[]}\n')
    assert house.malformed == 2
    assert house.journal.records == []


async def test_transactions_are_told_for_a_job_that_lives(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    assert line.ask("mining.get_transactions", job.job_id)["result"] == []
    house.clock += 10.0
    assert line.ask("mining.get_transactions", "feed")["error"] == [21, "job_not_found", None]


# --- coming and going ------------------------------------------------------------------------


@pytest.fixture
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extranonce, "COUNTER_SPACE", 1)


@pytest.mark.usefixtures("room_for_one")
async def test_a_pool_without_a_free_extranonce_says_so(house: FakeHouse) -> None:
    mining_line(house)
    full = Line(house)
    (answer,) = messages(full.say(SUBSCRIBE))
    assert answer["error"] == [20, "pool_full", None]
    assert full.transport.ended == ""


@pytest.mark.usefixtures("room_for_one")
async def test_a_rig_that_leaves_frees_its_extranonce(house: FakeHouse) -> None:
    house.work()
    first = mining_line(house)
    first.hang_up()
    assert house.sessions == set()
    second = mining_line(house)
    assert second.session.has_work
    second.hang_up()


async def test_two_rigs_have_different_extranonces(house: FakeHouse) -> None:
    miners = [mining_line(house).session.miner for _ in range(2)]
    assert len({miner.extranonce1 for miner in miners if miner}) == 2


async def test_a_rig_that_does_not_read_is_dropped_and_counted(house: FakeHouse) -> None:
    line = mining_line(house)
    line.protocol.pause_writing()
    assert line.transport.ended == "aborted"
    line.hang_up()
    assert house.guard.refused["slow_peer"] == 1


async def test_a_closed_session_is_told_nothing_more(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    line.session.close()
    assert line.transport.ended == "closed"
    newer = house.work(tip=2)
    line.session.send_job(newer, clean=True)
    assert line.heard() == []


# --- what a rig tells of itself and wishes for --------------------------------------------------


def authorize_with(password: str, name: str = "demo.rig") -> bytes:
    return b'{"id":2,"method":"mining.authorize","params":["%s","%s"]}\n' % (
        name.encode(),
        password.encode(),
    )


def told_difficulty(writes: list[bytes]) -> float:
    """The last one that was told."""
    told = [m["params"][0] for m in messages(writes) if m.get("method") == "mining.set_difficulty"]
    return float(told[-1])


@pytest.mark.parametrize("option", ["d=0.5", "diff=0.5", "x,d=0.5", "d=0.25;D=0.5"])
async def test_the_password_may_name_the_start_difficulty(house: FakeHouse, option: str) -> None:
    house.work()
    assert told_difficulty(Line(house).say(SUBSCRIBE, authorize_with(option))) == 0.5


async def test_a_suggestion_does_not_undercut_the_floor_of_the_password(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    assert told_difficulty(line.say(SUBSCRIBE, authorize_with("md=0.5"))) == 0.5
    writes = line.say(b'{"id":3,"method":"mining.suggest_difficulty","params":[0.001]}\n')
    assert methods(writes) == [3]


async def test_a_start_from_the_password_stands_against_a_suggestion_of_the_firmware(
    house: FakeHouse,
) -> None:
    house.work()
    line = Line(house)
    line.say(SUBSCRIBE, authorize_with("d=0.5"))
    writes = line.say(b'{"id":3,"method":"mining.suggest_difficulty","params":[0.25]}\n')
    assert methods(writes) == [3]


async def test_a_password_on_a_mining_connection_comes_with_a_fresh_job(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    writes = line.say(authorize_with("d=0.5", "demo.other"))
    assert methods(writes) == [2, "mining.set_difficulty", "mining.notify"]


async def test_the_hints_of_the_password_stand_with_the_worker(house: FakeHouse) -> None:
    line = Line(house)
    line.say(SUBSCRIBE, authorize_with("w=3500,jth=17.5"))
    hint = line.session.miner.workers["demo.rig"].hint
    assert (hint.watts, float(hint.j_per_th or 0)) == (3500, 17.5)


async def test_a_hashrate_marketplace_starts_at_its_floor_and_stays_above(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    writes = line.say(SUBSCRIBE.replace(b"rig/1.0", b"NiceHash/1.0.0"), AUTHORIZE)
    assert told_difficulty(writes) == 524288
    house.clock = 10_000.0
    line.session.tick(house.clock)
    assert line.heard() == []


async def test_what_a_rig_tells_by_configure_info_is_known(house: FakeHouse) -> None:
    line = Line(house)
    answer = line.ask(
        "mining.configure",
        ["info"],
        {"info.hw-version": "S21", "info.sw-version": "1.2", "info.hw-id": "7"},
    )
    assert answer["result"] == {"info": True}
    info = line.session.miner.info
    assert info is not None
    assert (info.hw_version, info.sw_version, info.hw_id) == ("S21", "1.2", "7")


async def test_a_configure_without_a_mask_leaves_the_mask_as_it_is(house: FakeHouse) -> None:
    line = Line(house)
    line.say(CONFIGURE, SUBSCRIBE)
    line.ask("mining.configure", ["subscribe-extranonce"], {})
    assert line.session.miner.version_mask == 0x1FFFE000


async def test_what_a_rig_tells_of_itself_is_cut_at_256_characters(house: FakeHouse) -> None:
    line = Line(house)
    line.say(SUBSCRIBE.replace(b"rig/1.0", b"x" * 10_000))
    assert len(line.session.miner.user_agent) == 256


async def test_a_username_has_up_to_191_bytes(house: FakeHouse) -> None:
    house.work()
    name = "demo." + "x" * 186
    line = Line(house)
    line.say(SUBSCRIBE, authorize_with("x", name))
    job = house.pool.jobs.current
    assert job is not None
    line.say(submit_line(line.solve(job)._replace(worker_name=name)))
    assert house.journal.names == [("demo", name)]
    assert house.journal.records[-1][:2] == (1, ShareOutcome.ACCEPTED)
    refused = Line(house).say(SUBSCRIBE, authorize_with("x", name + "x"))
    assert messages(refused)[1]["error"][0] == 20


async def test_transactions_are_told_where_they_fit_and_else_refused(house: FakeHouse) -> None:
    two = BlockTransactions(b"00ff11", b"\2\0\0\0\1\0\0\0")
    small = msgspec.structs.replace(template(), transactions=two)
    job = house.pool.on_template(small, 0.0, CURTIME)
    line = mining_line(house)
    assert line.ask("mining.get_transactions", job.job_id)["result"] == ["00ff", "11"]
    many = BlockTransactions(b"00" * 20_000, (20_000).to_bytes(4, "little"))
    large = msgspec.structs.replace(template(), transactions=many)
    job = house.pool.on_template(large, 0.0, CURTIME)
    answer = line.ask("mining.get_transactions", job.job_id)
    assert answer["error"] == [20, "too_often", None]  # it is long for so short a question
    house.clock += 10.0
    answer = line.ask("mining.get_transactions", job.job_id)
    assert answer["error"] == [20, "transactions_too_large", None]


async def test_logins_that_wish_for_a_difficulty_make_one_job_together(house: FakeHouse) -> None:
    house.work()
    for _ in range(100):  # as ESP-Miner does, behind authorize
        line = Line(house)
        line.say(SUBSCRIBE, AUTHORIZE)
        writes = line.say(b'{"id":3,"method":"mining.suggest_difficulty","params":[0.5]}\n')
        assert methods(writes) == ["mining.set_difficulty", "mining.notify", 3]
    assert len(house.pool.jobs) == 2


async def test_a_password_at_login_makes_no_second_job(house: FakeHouse) -> None:
    house.work()
    writes = Line(house).say(SUBSCRIBE, authorize_with("d=0.5"))
    assert methods(writes) == [1, 2, "mining.set_difficulty", "mining.notify"]


async def test_a_rig_is_sent_to_another_pool_and_let_go(house: FakeHouse) -> None:
    line = mining_line(house)
    line.session.send_to("pool2.example", 3334)
    assert messages(line.heard())[-1] == {
        "id": None,
        "method": "client.reconnect",
        "params": ["pool2.example", 3334, 0],
    }
    assert line.transport.ended == "closed"


async def test_the_more_rigs_mine_behind_a_proxy_the_more_shares_it_sends(
    house: FakeHouse,
) -> None:
    house.work()
    terms = VardiffTerms(target_shares_per_minute=12, start=2.0**-28, minimum=2.0**-32)
    line = Line(house, terms)
    line.say(SUBSCRIBE, *(authorize_with("x", f"demo.{n}") for n in range(20)))
    number = 0
    for _ in range(40):  # 240 a minute in all, 12 from each
        job = house.pool.jobs.current
        assert job is not None
        for rig in range(20):
            house.clock += 0.25
            number += 1
            share = line.solve(job, number)
            line.say(submit_line(share._replace(worker_name=f"demo.{rig}")))
            house.journal.let_go()
        line.session.tick(house.clock)
    assert line.session.miner.vardiff.difficulty == 2.0**-28  # alone it would be raised


async def test_a_rig_with_under_a_share_a_minute_is_not_resolved(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    worker = line.session.miner.workers["demo.rig"]
    for number in range(8):
        house.clock += 80.0
        line.say(submit_line(line.solve(job, number)))
        line.session.tick(house.clock)
    assert worker.is_active(house.clock)
    assert not worker.is_resolved
    assert not worker.is_active(house.clock + 601.0)
