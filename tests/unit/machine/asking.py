"""A rig's requests, with what the model knows of their answers."""

from typing import Any

from tests.unit.machine.reference import Share
from tests.unit.machine.rig import POOL_MASK, Rig, begins_with, is_error, is_true
from tests.unit.machine.solving import submit_params
from tests.unit.machine.world import LISTENERS, PoolWorld

UNASKED = "Antminer S21/1"  # rolls version bits without having asked
SHORT_NONCES = "NerdMinerV2/1"  # leaves out the leading zeros


def ask_subscribe(world: PoolWorld, rig: Rig, agent: str, named: str | None) -> None:
    world.rewind_extranonces()
    rig.agent = agent if not rig.is_subscribed else rig.agent
    params = [agent] if named is None else [agent, named]
    expected: list[bytes | None] = []

    def act() -> None:
        if rig.is_subscribed:
            return
        session = world.resumed(rig, named) if named else None
        if session is not None:
            rig.session.sent = session.sent
            rig.session.extranonce1 = session.extranonce1
        expected.append(session.extranonce1 if session is not None else None)

    def check(message: dict[str, Any]) -> None:
        if rig.is_subscribed:
            begins_with(20, "already_subscribed")(message)
            return
        assert message["error"] is None
        subscriptions, extranonce1, size = message["result"]
        calls = ["mining.set_difficulty", "mining.notify"]
        assert [call for call, _ in subscriptions] == calls
        assert size == 8
        if expected[0] is None:
            world.check_extranonce1(rig, bytes.fromhex(extranonce1))
            rig.session.extranonce1 = bytes.fromhex(extranonce1)
        assert extranonce1 == rig.session.extranonce1.hex()
        rig.session_id = subscriptions[0][1]
        rig.is_subscribed = True
        rig.writes_short_nonces = agent == SHORT_NONCES
        if agent == UNASKED and not rig.session.mask:
            rig.session.mask = POOL_MASK

    rig.ask("mining.subscribe", params, act, check)


def ask_extranonces(rig: Rig) -> None:
    def act() -> None:
        rig.knows_set_extranonce = True

    rig.ask("mining.extranonce.subscribe", [], act, is_true)


def ask_authorize(world: PoolWorld, rig: Rig, name: str, password: str) -> None:
    is_known = name.startswith("demo")

    def check(message: dict[str, Any]) -> None:
        if world.lenient and message["error"] == [24, "banned", None]:
            return
        (is_true if is_known else is_error(24, "unauthorized"))(message)
        if is_known and name not in rig.workers:
            rig.workers[name] = world.new_ref()

    rig.ask("mining.authorize", [name, password], lambda: None, check)


def ask_configure(rig: Rig, mask: int | None, floor: float | None, *, rolls: bool = True) -> None:
    """A mask of None is none given: all bits. One who does not roll does not ask for it."""
    extensions, options = ["unknown"], dict[str, Any]()
    asked = 0xFFFFFFFF if mask is None else mask
    granted = asked & POOL_MASK
    if rolls:
        extensions.append("version-rolling")
        options |= {} if mask is None else {"version-rolling.mask": f"{mask:08x}"}
    if floor is not None:
        extensions.append("minimum-difficulty")
        options["minimum-difficulty.value"] = floor

    def check(message: dict[str, Any]) -> None:
        result = message["result"]
        expected: dict[str, Any] = {"unknown": False}
        if rolls:
            expected["version-rolling"] = granted != 0
            rig.miner_mask, rig.session.mask, rig.is_rolling = asked, granted, granted != 0
        if rolls and granted:
            expected["version-rolling.mask"] = f"{granted:08x}"
        if floor is not None:
            highest = min(LISTENERS[rig.listener].maximum, rig.ceiling)
            expected["minimum-difficulty"] = floor <= highest
        assert result == expected

    rig.ask("mining.configure", [extensions, options], lambda: None, check)


def ask_submit(world: PoolWorld, rig: Rig, share: Share, *, upper: bool) -> None:
    request_id = rig.new_id()

    def act() -> None:
        if rig.is_subscribed:
            world.submitted(rig, share, request_id)
        else:
            world.refused(rig, "not_subscribed")
            rig.expected[request_id] = is_error(25, "not_subscribed")

    params = submit_params(share, upper=upper, short_nonce=rig.writes_short_nonces)
    rig.submit(request_id, params, act)


def check_suggested(message: dict[str, Any]) -> None:
    """A target of zero is none."""
    assert message["result"] is True or message["error"][0] == 20
