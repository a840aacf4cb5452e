"""The miner's side of a connection."""

from binascii import hexlify
from collections.abc import Callable
from typing import Any

from .codec import Codec
from .connection import DEFAULT_CODEC, Connection
from .errors import Fault, LocalProtocolError, ParamsError
from .limits import CLIENT_LIMITS, Limits
from .messages import (
    Answer,
    Authorized,
    ClientEvent,
    Malformed,
    Push,
    RequestId,
    Response,
    RigInfo,
    SetExtranonce,
    SetVersionMask,
    Submit,
    SubmitResult,
    Subscribe,
)
from .parse_replies import (
    parse_configured,
    parse_notify,
    parse_reconnect,
    parse_set_difficulty,
    parse_set_extranonce,
    parse_set_version_mask,
    parse_show_message,
    parse_subscribed,
)
from .render import json_number, render_error
from .state import Outcome, next_state

_PARSERS: dict[str, Callable[[list[Any]], Push]] = {
    "mining.set_difficulty": parse_set_difficulty,
    "mining.notify": parse_notify,
    "mining.set_extranonce": parse_set_extranonce,
    "mining.set_version_mask": parse_set_version_mask,
    "client.reconnect": parse_reconnect,
    "client.show_message": parse_show_message,
}


class ClientConnection(Connection[Answer | Push]):
    """A connection to a pool, seen from the miner: sans I/O.

    Each request returns the id that its answer will carry. ``receive_data`` gives the pool's
    answers, jobs and notifications as typed events, and ``Malformed`` for what makes no sense,
    which is not answered. ``client.get_version`` and ``mining.ping`` are answered here and are no
    events.

    ``extranonce1``, ``extranonce2_size`` (bytes) and ``version_mask`` are what the pool said last.
    """

    __slots__ = ("_user_agent", "extranonce1", "extranonce2_size", "version_mask")

    def __init__(
        self,
        *,
        user_agent: str = "asyncio-stratum",
        codec: Codec = DEFAULT_CODEC,
        limits: Limits = CLIENT_LIMITS,
    ) -> None:
        super().__init__(codec=codec, limits=limits)
        self._user_agent = user_agent
        self.extranonce1 = b""
        self.extranonce2_size = 0
        self.version_mask = 0

    # --- requests --------------------------------------------------------------------------------

    def configure(
        self,
        *,
        version_mask: int | None = None,
        min_bit_count: int = 2,
        minimum_difficulty: float | None = None,
        subscribe_extranonce: bool = False,
        info: RigInfo | None = None,
    ) -> int:
        """Queue ``mining.configure`` (BIP310) for the extensions that are given."""
        extensions: list[str] = []
        options: dict[str, Any] = {}
        if version_mask is not None:
            extensions.append("version-rolling")
            options["version-rolling.mask"] = f"{version_mask:08x}"
            options["version-rolling.min-bit-count"] = min_bit_count
        if minimum_difficulty is not None:
            extensions.append("minimum-difficulty")
            options["minimum-difficulty.value"] = json_number(minimum_difficulty)
        if subscribe_extranonce:
            extensions.append("subscribe-extranonce")
        if info is not None:
            extensions.append("info")
            told = zip(RigInfo._fields, info, strict=True)
            options |= {f"info.{name.replace('_', '-')}": text for name, text in told if text}
        return self._call("mining.configure", [extensions, options])

    def subscribe(self, session_id: str | None = None) -> int:
        """Queue ``mining.subscribe``; with ``session_id`` to resume that session.

        Raises:
            LocalProtocolError: subscribed already, or an answer is still out.
        """
        next_state(self._state, Subscribe)
        if "mining.subscribe" in (self._waiting or {}).values():
            raise LocalProtocolError("mining.subscribe has not been answered yet")
        params = [self._user_agent] if session_id is None else [self._user_agent, session_id]
        return self._call("mining.subscribe", params)

    def authorize(self, username: str, password: str = "x") -> int:
        """Queue ``mining.authorize``."""
        return self._call("mining.authorize", [username, password])

    def submit(
        self,
        worker_name: str,
        job_id: str,
        extranonce2: bytes,
        ntime: int,
        nonce: int,
        version_bits: int | None = None,
    ) -> int:
        """Queue ``mining.submit``.

        Raises:
            LocalProtocolError: not subscribed.
        """
        next_state(self._state, Submit)
        request_id = self._new_id("mining.submit")
        self._outbox.append(
            b'{"id":%d,"method":"mining.submit","params":[%b,%b,"%b","%08x","%08x"%b]}\n'
            % (
                request_id,
                self._codec.encode(worker_name),
                self._codec.encode(job_id),
                hexlify(extranonce2),
                ntime,
                nonce,
                b"" if version_bits is None else b',"%08x"' % version_bits,
            )
        )
        return request_id

    def suggest_difficulty(self, difficulty: float) -> int:
        """Queue ``mining.suggest_difficulty``."""
        return self._call("mining.suggest_difficulty", [json_number(difficulty)])

    def suggest_target(self, target: int) -> int:
        """Queue ``mining.suggest_target``."""
        return self._call("mining.suggest_target", [f"{target:064x}"])

    def extranonce_subscribe(self) -> int:
        """Queue ``mining.extranonce.subscribe``."""
        return self._call("mining.extranonce.subscribe", [])

    def get_transactions(self, job_id: str) -> int:
        """Queue ``mining.get_transactions``."""
        return self._call("mining.get_transactions", [job_id])

    def ping(self) -> int:
        """Queue ``mining.ping``."""
        return self._call("mining.ping", [])

    # --- incoming --------------------------------------------------------------------------------

    def _read_call(
        self, request_id: RequestId, method: str, params: list[Any]
    ) -> ClientEvent | None:
        if method == "client.get_version":
            self._answer(request_id, self._user_agent)
            return None
        if method == "mining.ping":
            self._answer(request_id, "pong")
            return None
        parse = _PARSERS.get(method)
        if parse is None:
            malformed = self._malformed(request_id, Fault.UNKNOWN_METHOD, method)
            if request_id is not None:
                self._outbox.append(render_error(request_id, malformed.error, self._codec))
            return malformed
        event = parse(params)
        if type(event) is SetExtranonce:
            self.extranonce1, self.extranonce2_size = event
        elif type(event) is SetVersionMask:
            self.version_mask = event.version_mask
        return event

    def _read_answer(self, response: Response) -> Answer | Malformed | Response:
        request_id, method, result, error = response
        granted = error is None and result is True
        if method == "mining.submit":
            return SubmitResult(request_id, granted, error)
        if method == "mining.authorize":
            if granted:
                self._move(Outcome.AUTHORIZED)
            return Authorized(request_id, granted, error)
        if error is not None or result is None:
            return response
        try:
            if method == "mining.subscribe":
                subscribed = parse_subscribed(request_id, result)
                self._move(Outcome.SUBSCRIBED)
                self.extranonce1 = subscribed.extranonce1
                self.extranonce2_size = subscribed.extranonce2_size
                return subscribed
            if method == "mining.configure":
                configured = parse_configured(request_id, result)
                self.version_mask = configured.version_mask
                return configured
        except ParamsError as fault:
            return self._malformed(request_id, fault.fault, fault.detail, method)
        return response

    def _malformed(
        self, request_id: RequestId, fault: Fault, detail: str = "", method: str | None = None
    ) -> Malformed:
        return Malformed(request_id, fault, detail, method)  # a miner does not correct its pool
