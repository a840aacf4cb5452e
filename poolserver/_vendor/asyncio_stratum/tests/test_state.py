from .. import TRANSITIONS, Authorize, Configure, Outcome, Ping, State, Submit, Subscribe


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
            state = TRANSITIONS[state][outcome]
        assert state is State.READY


def test_every_state_can_close_and_nothing_comes_after() -> None:
    assert all(row[Outcome.CLOSED] is State.CLOSED for row in TRANSITIONS.values())
    assert list(TRANSITIONS[State.CLOSED]) == [Outcome.CLOSED]
