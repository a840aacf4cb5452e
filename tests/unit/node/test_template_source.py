"""The channels by which a node is asked and heard, and what is published of their answers."""

import msgspec
import pytest

from poolserver.node import template_source
from poolserver.node.heard import Signs
from poolserver.node.rpc import NodeUnreachable
from tests.unit.node.answering import NEVER_S, answer, header, running, tip

# --- the source, with a node that answers when it is told to --------------------------------------


async def test_a_longpoll_is_put_on_the_latest_template_and_never_given_up() -> None:
    async with running() as source:
        await source.answers(await source.node.questions.get(), answer(10))
        waiting = await source.longpoll.questions.get()
        assert (waiting.longpollid, waiting.timeout_s) == ("aa-10", None)


async def test_the_longpolls_answer_is_published_without_another_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "REFRESH_S", 0.0)
    async with running() as source:
        await source.answers(await source.node.questions.get(), answer(10))
        waiting = await source.longpoll.questions.get()
        await source.answers(await source.node.questions.get(), answer(10))  # a refresh between
        await source.answers(waiting, answer(11))
        assert [each.height for each in source.published] == [10, 11]


async def test_a_refresh_that_was_overtaken_is_asked_again_and_not_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "REFRESH_S", 0.0)
    async with running() as source:
        await source.answers(await source.node.questions.get(), answer(10))
        waiting = await source.longpoll.questions.get()
        slow = await source.node.questions.get()
        monkeypatch.setattr(template_source, "REFRESH_S", NEVER_S)
        await source.answers(waiting, answer(11))
        slow.answer.set_result(answer(10))
        await source.answers(await source.node.questions.get(), answer(11))
        assert [each.height for each in source.published] == [10, 11]
        assert source.confirmed == 1


async def test_another_best_block_brings_a_question_by_polling() -> None:
    async with running(poll_interval_s=0.001) as source:
        source.node.best = answer(10).previousblockhash
        await source.answers(await source.node.questions.get(), answer(10))
        source.node.best = answer(11).previousblockhash
        await source.answers(await source.node.questions.get(), answer(11))
        assert [each.height for each in source.published] == [10, 11]


async def test_a_longpoll_has_a_head_start_before_a_second_question() -> None:
    async with running(poll_interval_s=0.0, longpoll_headstart_s=NEVER_S) as source:
        await source.starts()
        waiting = await source.longpoll.questions.get()
        source.node.best = tip(10)
        await source.node.is_polled()
        assert source.signs.tip_hex == tip(10)
        assert source.node.questions.empty()
        await source.answers(waiting, answer(11))
        assert source.heights == [10, 11]


async def test_a_longpoll_that_does_not_answer_is_not_waited_for() -> None:
    async with running(poll_interval_s=0.0, longpoll_headstart_s=0.01) as source:
        await source.starts()
        await source.longpoll.questions.get()
        source.node.best = tip(10)
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, 11]


async def test_a_longpoll_that_missed_a_tip_when_the_next_comes_leads_no_more() -> None:
    async with running(poll_interval_s=0.0, longpoll_headstart_s=NEVER_S) as source:
        await source.starts()
        await source.longpoll.questions.get()
        source.node.best = tip(10)
        await source.node.is_polled()
        assert source.node.questions.empty()
        source.node.best = tip(11)
        await source.answers(await source.node.questions.get(), answer(12))
        assert source.heights == [10, 12]


async def test_a_longpoll_that_breaks_has_its_head_start_no_longer() -> None:
    async with running(poll_interval_s=0.001, longpoll_headstart_s=NEVER_S) as source:
        await source.starts()
        waiting = await source.longpoll.questions.get()
        source.node.best = tip(10)
        await source.node.is_polled()
        waiting.answer.set_exception(NodeUnreachable("cut"))
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, 11]


async def test_a_stopgap_does_not_make_up_for_a_longpoll_that_does_not_answer() -> None:
    async with running(
        poll_interval_s=0.0, longpoll_headstart_s=0.05, stopgap_after_s=0.0
    ) as source:
        await source.starts()
        await source.longpoll.questions.get()
        source.node.best = tip(10)
        await source.answers(await source.node.headers.get(), header(10))
        assert source.heights == [10, -11]
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, -11, 11]


async def test_a_longpoll_that_was_late_leads_no_more_until_it_answers() -> None:
    async with running(poll_interval_s=0.0, longpoll_headstart_s=0.01) as source:
        await source.starts()
        waiting = await source.longpoll.questions.get()
        source.node.best = tip(10)
        await source.answers(await source.node.questions.get(), answer(11))
        source.has_headstart(NEVER_S)
        source.node.best = tip(11)
        await source.answers(await source.node.questions.get(), answer(12))  # at once
        source.node.best = tip(12)
        await source.answers(waiting, answer(13))
        waiting = await source.longpoll.questions.get()
        await source.node.is_polled()
        while not source.node.questions.empty():  # the poll was first
            await source.answers(await source.node.questions.get(), answer(13))
            await source.node.is_polled()
        source.node.best = tip(13)
        await source.node.is_polled()
        assert source.node.questions.empty()
        await source.answers(waiting, answer(14))
        assert source.heights == [10, 11, 12, 13, 14]


async def test_a_node_in_trouble_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_source, "BACKOFF_FIRST_S", 0.0)
    async with running() as source:
        for _ in range(3):
            (await source.node.questions.get()).answer.set_exception(NodeUnreachable("gone"))
        await source.answers(await source.node.questions.get(), answer(10))
        assert [each.height for each in source.published] == [10]


async def test_a_longpoll_that_was_cut_is_put_again() -> None:
    async with running(poll_interval_s=0.001) as source:
        source.node.best = answer(10).previousblockhash
        await source.answers(await source.node.questions.get(), answer(10))
        (await source.longpoll.questions.get()).answer.set_exception(NodeUnreachable("cut"))
        await source.answers(await source.longpoll.questions.get(), answer(11))
        assert [each.height for each in source.published] == [10, 11]


async def test_a_template_that_cannot_be_mined_on_is_not_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "BACKOFF_FIRST_S", 0.0)
    async with running() as source:
        unknown = msgspec.structs.replace(answer(10), rules=["!unheard-of"])
        (await source.node.questions.get()).answer.set_result(unknown)
        await source.answers(await source.node.questions.get(), answer(10))
        assert len(source.published) == 1


# --- signs of how the node does ----------------------------------------------------------------


async def test_what_was_heard_of_the_tip_and_when_a_template_came_is_kept() -> None:
    async with running() as source:
        assert source.signs == Signs()
        await source.starts(10)
        assert (source.signs.tip_hex, source.signs.tip_at) == (tip(9), 1.0)
        assert (source.signs.answered_at, source.signs.failing) == (1.0, False)
        source.now = 5.0
        await source.answers(await source.longpoll.questions.get(), answer(10))
        assert (source.signs.tip_at, source.signs.answered_at) == (1.0, 5.0)


async def test_a_tip_that_is_heard_of_is_told_before_its_template_comes() -> None:
    async with running(poll_interval_s=0.001) as source:
        await source.starts(10)
        source.node.best = tip(10)
        await source.node.questions.get()
        assert source.signs.tip_hex == tip(10)
        assert source.tips_told > 0


async def test_an_answer_that_only_confirms_does_not_undo_what_was_heard_of_the_tip() -> None:
    async with running(poll_interval_s=0.001) as source:
        await source.starts(10)
        source.node.best = tip(10)
        question = await source.node.questions.get()
        await source.answers(question, answer(10))
        assert source.signs.tip_hex == tip(10)


async def test_a_node_that_gives_no_template_is_told_so_until_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "BACKOFF_FIRST_S", 0.0)
    async with running() as source:
        (await source.node.questions.get()).answer.set_exception(NodeUnreachable("gone"))
        question = await source.node.questions.get()
        assert (source.signs.failing, source.troubles) == (True, 1)
        await source.answers(question, answer(10))
        assert not source.signs.failing


async def test_a_node_that_is_back_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_source, "BACKOFF_FIRST_S", NEVER_S)
    monkeypatch.setattr(template_source, "BACKOFF_MAX_S", NEVER_S)
    async with running() as source:
        (await source.node.questions.get()).answer.set_exception(NodeUnreachable("gone"))
        await source.is_in_trouble()
        source.ask_now()
        await source.answers(await source.node.questions.get(), answer(10))
        assert source.heights == [10]
