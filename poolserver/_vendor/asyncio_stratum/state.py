"""Which step is legal when: one table, the same for both sides.

A step is a request (its type) or what an answer brings about (``Outcome``). A step that is not in
the row of the current state is illegal: for the peer that is an error reply, for our own side a
``LocalProtocolError``.

Authorizing may come before subscribing. A share of a subscribed connection on which nobody is
authorized is legal: the application looks whether it is a block before it refuses it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from .errors import LocalProtocolError
from .messages import (
    Authorize,
    Configure,
    ExtranonceSubscribe,
    GetTransactions,
    Ping,
    Submit,
    Subscribe,
    SuggestDifficulty,
    SuggestTarget,
)


class State(Enum):
    """How far the handshake of a connection has come."""

    NEW = "new"
    SUBSCRIBED = "subscribed"
    AUTHORIZED = "authorized"  # and not yet subscribed
    READY = "ready"  # subscribed and authorized: difficulty and jobs may be sent
    CLOSED = "closed"

    __hash__ = object.__hash__  # an enum's own is written in Python: 0.2 us for each look-up


class Outcome(Enum):
    """What moves a connection from one state to the next."""

    SUBSCRIBED = "subscribed"
    AUTHORIZED = "authorized"
    CLOSED = "closed"

    __hash__ = object.__hash__


Step: TypeAlias = type | Outcome


def _row(state: State, moves: Mapping[Step, State]) -> Mapping[Step, State]:
    """The legal steps of an open state: its own, and those that leave every open state as it is."""
    anytime: tuple[Step, ...] = (
        Configure,
        Authorize,
        SuggestDifficulty,
        SuggestTarget,
        ExtranonceSubscribe,
        GetTransactions,
        Ping,
    )
    return MappingProxyType(
        {**dict.fromkeys(anytime, state), **moves, Outcome.CLOSED: State.CLOSED}
    )


TRANSITIONS: Mapping[State, Mapping[Step, State]] = MappingProxyType(
    {
        State.NEW: _row(
            State.NEW,
            {
                Subscribe: State.NEW,
                Outcome.SUBSCRIBED: State.SUBSCRIBED,
                Outcome.AUTHORIZED: State.AUTHORIZED,
            },
        ),
        State.SUBSCRIBED: _row(
            State.SUBSCRIBED,
            {
                Submit: State.SUBSCRIBED,
                Outcome.AUTHORIZED: State.READY,
            },
        ),
        State.AUTHORIZED: _row(
            State.AUTHORIZED,
            {
                Subscribe: State.AUTHORIZED,
                Outcome.SUBSCRIBED: State.READY,
                Outcome.AUTHORIZED: State.AUTHORIZED,
            },
        ),
        State.READY: _row(
            State.READY,
            {
                Submit: State.READY,
                Outcome.AUTHORIZED: State.READY,  # one more worker on this connection
            },
        ),
        State.CLOSED: MappingProxyType({Outcome.CLOSED: State.CLOSED}),
    }
)


def next_state(state: State, step: Step) -> State:
    """Where a step leads.

    Raises:
        LocalProtocolError: the step is not legal in this state.
    """
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        name = step.__name__ if isinstance(step, type) else step.value
        raise LocalProtocolError(f"{name} is not legal in state {state.value}") from None
