"""Which template is the newest, when answers of several channels cross each other."""

import msgspec
import pytest

from poolserver.node.heard import Answer, LatestTemplate
from tests.unit.node.answering import stopgap, template


def test_the_first_template_is_new_and_its_repetition_is_not() -> None:
    latest = LatestTemplate()
    assert latest.judge(template(10), latest.tips, 0.0) is Answer.NEW
    assert latest.judge(template(10), latest.tips, 0.0) is Answer.SAME


def test_other_transactions_on_the_same_tip_are_new() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    assert latest.judge(template(10, fees_sat=7), latest.tips, 0.0) is Answer.NEW
    assert latest.tips == 1


def test_an_old_tip_does_not_come_back_by_a_slow_answer() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    asked_before = latest.tips
    latest.judge(template(11), asked_before, 0.0)
    assert latest.judge(template(10), asked_before, 0.0) is Answer.DOUBTFUL
    assert latest.template == template(11)


def test_a_higher_tip_is_news_whenever_it_was_asked_for() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    asked_before = latest.tips
    latest.judge(template(11), asked_before, 0.0)
    assert latest.judge(template(12), asked_before, 0.0) is Answer.NEW


@pytest.mark.parametrize("height", [9, 10, 11])
def test_a_reorganisation_is_followed_wherever_a_fresh_answer_leads(height: int) -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    assert latest.judge(template(height, branch="bb"), latest.tips, 0.0) is Answer.NEW
    assert latest.template == template(height, branch="bb")


def test_a_stopgap_is_news_and_so_is_what_follows_it() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    assert latest.judge(stopgap(11), latest.tips, 0.0) is Answer.NEW
    assert latest.judge(template(11), 1, 0.0) is Answer.NEW
    assert latest.judge(template(11), latest.tips, 0.0) is Answer.SAME
    assert latest.tips == 2


def test_what_follows_a_stopgap_is_news_even_where_it_is_the_same_work() -> None:
    latest = LatestTemplate()
    latest.judge(stopgap(11), latest.tips, 0.0)
    full = msgspec.structs.replace(stopgap(11), stopgap=False)
    assert latest.judge(full, latest.tips, 0.0) is Answer.NEW


def test_a_stopgap_never_takes_the_place_of_a_template_on_its_tip() -> None:
    latest = LatestTemplate()
    latest.judge(template(11), latest.tips, 1.0)
    for tips_when_asked in (latest.tips, latest.tips - 1):
        assert latest.judge(stopgap(11), tips_when_asked, 2.0) is Answer.SAME
        assert (latest.template, latest.came_at) == (template(11), 1.0)


def test_a_stopgap_does_not_bring_an_old_tip_back() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    asked_before = latest.tips
    latest.judge(template(12), asked_before, 0.0)
    assert latest.judge(stopgap(11), asked_before, 0.0) is Answer.DOUBTFUL
    assert latest.judge(stopgap(12, branch="bb"), asked_before, 0.0) is Answer.DOUBTFUL
    assert latest.template == template(12)


def test_a_template_of_before_the_stopgap_does_not_bring_its_tip_back() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 0.0)
    asked_before = latest.tips
    latest.judge(stopgap(11), asked_before, 0.0)
    assert latest.judge(template(10), asked_before, 0.0) is Answer.DOUBTFUL
    assert latest.judge(template(11, branch="bb"), asked_before, 0.0) is Answer.DOUBTFUL
    assert latest.template == stopgap(11)


def test_a_repeated_template_is_held_with_its_time() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips, 1.0)
    latest.judge(template(10), latest.tips, 16.0)
    assert latest.came_at == 16.0
