"""The pool's side of a connection."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from .codec import Codec
from .connection import DEFAULT_CODEC, Connection
from .errors import Fault, LocalProtocolError, ParamsError, StratumError
from .limits import SERVER_LIMITS, Limits
from .messages import (
    Authorize,
    Configure,
    ExtranonceSubscribe,
    Ping,
    Request,
    RequestId,
    ServerEvent,
    Submit,
    Subscribe,
)
from .parse_requests import (
    parse_authorize,
    parse_configure,
    parse_get_transactions,
    parse_submit,
    parse_subscribe,
    parse_suggest_difficulty,
    parse_suggest_target,
    with_whole_nonce,
)
from .render import render_error, render_set_difficulty, render_subscribed
from .state import TRANSITIONS, Outcome, State

_Parser: TypeAlias = Callable[[RequestId, list[Any]], Request]

# mining.submit and mining.authorize have limits of their own and are not in this table.
_PARSERS: dict[str, _Parser] = {
    "mining.configure": parse_configure,
    "mining.subscribe": parse_subscribe,
    "mining.suggest_difficulty": parse_suggest_difficulty,
    "mining.suggest_target": parse_suggest_target,
    "mining.get_transactions": parse_get_transactions,
    "mining.extranonce.subscribe": lambda request_id, params: ExtranonceSubscribe(request_id),
    "mining.ping": lambda request_id, params: Ping(request_id),
}

# Enough to recognise any method that there is; what is echoed to a peer must be bounded.
MAX_METHOD_ECHO = 64


class ConnectionState(NamedTuple):
    """How a ``ServerConnection`` stands, in plain values, for another process to go on with it."""

    state: str
    extranonce2_size: int
    extranonce_subscribed: bool
    version_mask: int
    miner_mask: int
    pads_nonce: bool
    unread: bytes
    discarding: bool
    unsent: bytes
    last_id: int
    waiting: dict[int, str]


class ServerConnection(Connection[Request]):
    """One miner's connection, seen from the pool: sans I/O.

    ``receive_data`` gives typed requests, answers of the miner (``Response``) and ``Malformed``
    for what was refused here already. The application answers each request by one call of
    ``subscribed``, ``authorized``, ``configured``, ``accept``, ``answer`` or ``refuse``.
    ``mining.ping`` and ``mining.extranonce.subscribe`` have one answer only, so they are
    answered here and are no events.

    ``extranonce2_size`` is in bytes. ``codec`` may be shared by all connections. Set
    ``pads_nonce`` for a miner that is known to write the nonce without leading zeros.
    """

    __slots__ = (
        "_miner_mask",
        "extranonce2_size",
        "extranonce_subscribed",
        "pads_nonce",
        "version_mask",
    )

    def __init__(
        self,
        *,
        codec: Codec = DEFAULT_CODEC,
        limits: Limits = SERVER_LIMITS,
        extranonce2_size: int = 8,
    ) -> None:
        super().__init__(codec=codec, limits=limits)
        self.extranonce2_size = extranonce2_size
        self.extranonce_subscribed = False
        self.version_mask = 0  # what was last granted; 0 until version rolling is negotiated
        self._miner_mask = 0
        self.pads_nonce = False

    # --- from one process to another -------------------------------------------------------------

    def snapshot(self) -> ConnectionState:
        """How it stands; what is queued is in it and is taken out here."""
        unread, discarding = self._lines.rest()
        return ConnectionState(
            self._state.value,
            self.extranonce2_size,
            self.extranonce_subscribed,
            self.version_mask,
            self._miner_mask,
            self.pads_nonce,
            unread,
            discarding,
            self.data_to_send(),
            self._last_id,
            dict(self._waiting or {}),
        )

    def restore(self, state: ConnectionState) -> None:
        """Go on, in a new connection, where another left off.

        Raises:
            ValueError: there is no such state.
        """
        self._state = State(state.state)
        self._legal = TRANSITIONS[self._state]
        self.extranonce2_size = state.extranonce2_size
        self.extranonce_subscribed = state.extranonce_subscribed
        self.version_mask, self._miner_mask = state.version_mask, state.miner_mask
        self.pads_nonce = state.pads_nonce
        self._lines.restore(state.unread, discarding=state.discarding)
        if state.unsent:
            self._outbox.append(state.unsent)
        self._last_id = state.last_id
        self._waiting = dict(state.waiting) or None

    # --- incoming --------------------------------------------------------------------------------

    def _read_call(
        self, request_id: RequestId, method: str, params: list[Any]
    ) -> ServerEvent | None:
        request: Request
        if method == "mining.submit":
            if Submit not in self._legal:
                return self._malformed(request_id, Fault.NOT_SUBSCRIBED, method=method)
            try:
                return parse_submit(request_id, params, self.extranonce2_size)
            except ParamsError:
                if not self.pads_nonce:
                    raise
                return parse_submit(request_id, with_whole_nonce(params), self.extranonce2_size)
        if method == "mining.authorize":
            return parse_authorize(request_id, params, self._limits.username_bytes)
        parse = _PARSERS.get(method)
        if parse is None:
            return self._malformed(request_id, Fault.UNKNOWN_METHOD, method[:MAX_METHOD_ECHO])
        request = parse(request_id, params)
        if type(request) not in self._legal:
            return self._malformed(request_id, Fault.ALREADY_SUBSCRIBED, method=method)
        return self._answer_by_itself(request)

    def _answer_by_itself(self, request: Request) -> Request | None:
        """Answer what has one answer only; give back what the application has to answer."""
        if type(request) is Ping:
            self._answer(request.request_id, "pong")
        elif type(request) is ExtranonceSubscribe:
            self.extranonce_subscribed = True
            self._answer(request.request_id, True)
        else:
            return request
        return None

    # --- answers ---------------------------------------------------------------------------------

    def subscribed(self, request: Subscribe, *, extranonce1: bytes, session_id: str) -> None:
        """Grant ``mining.subscribe``.

        Raises:
            LocalProtocolError: the connection is subscribed already.
        """
        self._move(Outcome.SUBSCRIBED)
        self._outbox.append(
            render_subscribed(
                request.request_id, extranonce1, self.extranonce2_size, session_id, self._codec
            )
        )

    def authorized(self, request: Authorize) -> None:
        """Grant ``mining.authorize``; a connection may have several workers."""
        self._move(Outcome.AUTHORIZED)
        self._answer(request.request_id, True)

    def configured(
        self,
        request: Configure,
        *,
        version_mask: int | None = None,
        minimum_difficulty: bool = False,
        subscribe_extranonce: bool = True,
        info: bool = True,
    ) -> int:
        """Answer ``mining.configure``: each extension asked for, by true or false (BIP310).

        ``version_mask`` is the pool's mask, None if it has none. Granted, kept as
        ``self.version_mask`` and returned are the bits that the miner's mask has too; where there
        are none version rolling is refused, for some firmware aborts on a mask of zero.
        ``minimum_difficulty`` says whether the floor that was asked for will be kept.
        """
        result: dict[str, Any] = dict.fromkeys(request.extensions, False)
        rolling = request.version_rolling
        if rolling is not None:
            self._miner_mask = rolling.mask
            self.version_mask = rolling.mask & (version_mask or 0)
            if self.version_mask:
                result["version-rolling"] = True
                result["version-rolling.mask"] = f"{self.version_mask:08x}"
        if request.minimum_difficulty is not None:
            result["minimum-difficulty"] = minimum_difficulty
        if request.subscribe_extranonce:
            result["subscribe-extranonce"] = subscribe_extranonce
            self.extranonce_subscribed |= subscribe_extranonce
        if request.info is not None:
            result["info"] = info
        self._answer(request.request_id, result)
        return self.version_mask

    def accept(self, request: Request) -> None:
        """Answer ``true``: the share counts, the suggestion is taken."""
        request_id = request.request_id
        if type(request_id) is int:
            self._outbox.append(b'{"id":%d,"result":true,"error":null}\n' % request_id)
        else:
            self._answer(request_id, True)

    def answer(self, request: Request, result: Any) -> None:
        """Answer with any JSON value, such as the list that mining.get_transactions asks for."""
        self._answer(request.request_id, result)

    def refuse(self, request: Request, error: StratumError) -> None:
        """Answer with an error."""
        self._outbox.append(render_error(request.request_id, error, self._codec))

    # --- what the pool sends by itself -----------------------------------------------------------

    def set_difficulty(self, difficulty: float) -> None:
        """Queue ``mining.set_difficulty``: it holds for the jobs that follow.

        Raises:
            LocalProtocolError: the difficulty is not a finite number above 0.
        """
        self._outbox.append(render_set_difficulty(difficulty))

    def notify(self, line: bytes) -> None:
        """Queue a job rendered by ``render_notify``."""
        self._outbox.append(line)

    def set_extranonce(self, extranonce1: bytes) -> None:
        """Queue ``mining.set_extranonce``: it holds for the jobs that follow.

        Raises:
            LocalProtocolError: the miner has not said that it knows this call.
        """
        if not self.extranonce_subscribed:
            raise LocalProtocolError("the miner does not know mining.set_extranonce")
        self._tell("mining.set_extranonce", [extranonce1.hex(), self.extranonce2_size])

    def set_version_mask(self, version_mask: int) -> int:
        """Queue ``mining.set_version_mask`` (BIP310) with the bits that the miner has too.

        Returns the mask that was sent, which is then ``self.version_mask``.

        Raises:
            LocalProtocolError: version rolling was not negotiated, or no bit is in common.
        """
        mask = version_mask & self._miner_mask
        if not mask:
            raise LocalProtocolError("the miner cannot roll these version bits")
        self.version_mask = mask
        self._tell("mining.set_version_mask", [f"{mask:08x}"])
        return mask

    def reconnect(self, host: str | None = None, port: int | None = None, wait_s: int = 0) -> None:
        """Queue ``client.reconnect``, to the same pool where no host is given."""
        self._tell("client.reconnect", [] if host is None else [host, port, wait_s])

    def show_message(self, text: str) -> None:
        """Queue ``client.show_message``."""
        self._tell("client.show_message", [text])

    def get_version(self) -> int:
        """Ask for the miner's user agent; the answer is a ``Response`` with the id returned."""
        return self._call("client.get_version", [])
