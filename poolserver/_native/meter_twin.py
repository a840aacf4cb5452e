"""``meter_glue.h`` said in Python."""

from struct import Struct

from poolserver._native.arguments import as_sized

_WINDOWS = 7
_STATE = Struct(f"=2d {_WINDOWS}d {_WINDOWS}d 3d 3d 2d")
_DECAYS = Struct(f"={2 * _WINDOWS}d")


def update_meter(
    state: bytes,
    decays: bytes,
    at_s: float,
    work: float,
    squares: float,
    judged: float,
    stale: float,
    rejected: float,
    best: float,
    round_number: float,
    /,
) -> bytes:
    """The state of a meter with some more shares in it."""
    # fmt: off
    (_, began, a0, a1, a2, a3, a4, a5, a6, q0, q1, q2, q3, q4, q5, q6,
     hour, hour_stale, hour_rejected, day, day_stale, day_rejected, old_best, best_of) = (
        _STATE.unpack(as_sized(state, "state", _STATE.size)))
    d0, d1, d2, d3, d4, d5, d6, e0, e1, e2, e3, e4, e5, e6 = (
        _DECAYS.unpack(as_sized(decays, "decays", _DECAYS.size)))
    return _STATE.pack(
        at_s, began,
        a0 * d0 + work, a1 * d1 + work, a2 * d2 + work, a3 * d3 + work,
        a4 * d4 + work, a5 * d5 + work, a6 * d6 + work,
        q0 * e0 + squares, q1 * e1 + squares, q2 * e2 + squares, q3 * e3 + squares,
        q4 * e4 + squares, q5 * e5 + squares, q6 * e6 + squares,
        hour * d3 + judged, hour_stale * d3 + stale, hour_rejected * d3 + rejected,
        day * d5 + judged, day_stale * d5 + stale, day_rejected * d5 + rejected,
        best if best_of != round_number or best > old_best else old_best, round_number,
    )
    # fmt: on
