"""What is known of a node, from what came last."""

from dataclasses import replace

import pytest

from poolserver.bitcoin.target import work_from_target
from poolserver.node.chains import Chain
from poolserver.node.health import NodeStatus
from poolserver.node.heard import Signs
from poolserver.node.views import NodeView, view_of
from tests.unit.node.answering import stopgap, template, tip

BLOCK_WORK = work_from_target(template(10).network_target)
STATUS = NodeStatus(
    asked_at=100.0,
    error=None,
    checked=True,
    seen_at=100.0,
    chain=Chain(9, (tip(9), tip(8))),
    chainwork=1000 * BLOCK_WORK,
    peers=8,
)
SIGNS = Signs(tip_hex=tip(9), tip_at=50.0, answered_at=99.0)


def seen(status: NodeStatus = STATUS, signs: Signs | None = SIGNS, height: int = 10) -> NodeView:
    return view_of("x", status, signs=signs, template=template(height))


def test_a_node_whose_ways_all_say_the_same() -> None:
    view = seen()
    assert (view.fault, view.chain, view.work, view.tip_at) == (
        None,
        STATUS.chain,
        STATUS.chainwork,
        50.0,
    )
    assert view.work_is_told
    assert view.offer is not None
    assert (view.offer.tip_hex, view.offer.height, view.offer.full) == (tip(9), 9, True)
    assert view.offer.work == STATUS.chainwork


def test_a_template_on_a_newer_block_is_news_of_the_tip() -> None:
    view = seen(signs=Signs(tip(10), tip_at=101.0, answered_at=101.0), height=11)
    assert view.chain == Chain(10, (tip(10),))
    assert (view.work, view.work_is_told) == (STATUS.chainwork + BLOCK_WORK, False)
    assert view.offer is not None
    assert view.offer.work == view.work


def test_a_tip_that_was_only_heard_of_is_taken_for_the_next() -> None:
    view = seen(signs=Signs(tip(10), tip_at=101.0, answered_at=99.0))
    assert (view.chain, view.tip_at) == (Chain(10, (tip(10),)), 101.0)
    assert view.work == STATUS.chainwork + BLOCK_WORK
    assert view.offer is not None
    assert (view.offer.tip_hex, view.offer.work) == (tip(9), STATUS.chainwork)


def test_a_template_on_a_lower_block_has_less_work() -> None:
    signs = Signs(tip(7, branch="bb"), tip_at=101.0, answered_at=101.0)
    view = view_of("x", STATUS, signs=signs, template=template(8, branch="bb"))
    assert (view.chain.height, view.work) == (7, STATUS.chainwork - 2 * BLOCK_WORK)


def test_what_the_node_said_after_it_counts_more_than_what_was_heard_before() -> None:
    assert seen(signs=Signs(tip(8), tip_at=99.0)).chain == STATUS.chain


def test_a_stopgap_is_no_full_template() -> None:
    view = view_of("x", STATUS, signs=SIGNS, template=stopgap(10))
    assert view.offer is not None
    assert not view.offer.full


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"error": "timeout"}, "timeout"),
        ({"checked": False}, "unchecked"),
        ({"loading": True}, "loading"),
        ({"error": "unreachable", "checked": False}, "unreachable"),
    ],
)
def test_each_fault_has_its_word(changes: dict[str, object], fault: str) -> None:
    status = replace(STATUS, **changes)  # type: ignore[arg-type]
    assert view_of("x", status, signs=SIGNS, loading_matters=True).fault == fault


def test_a_private_chains_node_is_believed_though_it_calls_itself_loading() -> None:
    assert seen(replace(STATUS, loading=True)).fault is None


def test_a_template_after_the_question_that_got_no_answer_is_an_answer_too() -> None:
    silent = replace(STATUS, error="timeout")
    assert seen(silent, Signs(tip(9), 50.0, answered_at=100.5)).fault is None
    assert seen(replace(silent, checked=False), Signs(tip(9), 50.0, 100.5)).fault == "unchecked"


def test_the_last_template_of_a_node_that_gives_none_any_more_is_told_as_that() -> None:
    view = seen(signs=replace(SIGNS, failing=True))
    assert view.offer is not None
    assert not view.offer.sound
    assert view_of("x", STATUS, signs=SIGNS, template=None).offer is None


def test_a_node_that_only_takes_blocks_gives_none() -> None:
    view = view_of("x", STATUS)
    assert (view.gives_templates, view.offer, view.fault) == (False, None, None)
