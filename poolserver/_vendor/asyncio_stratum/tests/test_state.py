import pytest

from .. import (
    TRANSITIONS,
    Authorize,
    Configure,
    LocalProtocolError,
    Outcome,
    Ping,
    State,
    Submit,
    Subscribe,
)
from ..state import next_state


def test_a_share_is_legal_once_subscribed_authorized_or_not() -> None:
    legal = {state for state, row in TRANSITIONS.items() if Submit in row}
    assert legal == {State.SUBSCRIBED, State.READY}


def test_subscribing_is_legal_once() -> None:
    assert {state for state, row in TRANSITIONS.items() if Subscribe in row} == {
        State.NEW,
        State.AUTHORIZED,
    }


def test_what_is_legal_at_any_time_changes_nothing() -> None:
    for state in set(State) - {State.CLOSED}:
        for request in (Configure, Authorize, Ping):
            assert TRANSITIONS[state][request] is state


def test_both_orders_of_the_handshake_lead_to_ready() -> None:
    for order in (
        (Outcome.SUBSCRIBED, Outcome.AUTHORIZED),
        (Outcome.AUTHORIZED, Outcome.SUBSCRIBED),
    ):
        state = State.NEW
        for outcome in order:
            state = next_state(state, outcome)
        assert state is State.READY


def test_every_state_can_close_and_nothing_comes_after() -> None:
    assert all(row[Outcome.CLOSED] is State.CLOSED for row in TRANSITIONS.values())
    assert list(TRANSITIONS[State.CLOSED]) == [Outcome.CLOSED]


def test_what_is_not_in_the_table_is_our_own_error() -> None:
    with pytest.raises(LocalProtocolError, match="Submit is not legal in state new"):
        next_state(State.NEW, Submit)
    with pytest.raises(LocalProtocolError, match="authorized is not legal in state closed"):
        next_state(State.CLOSED, Outcome.AUTHORIZED)
