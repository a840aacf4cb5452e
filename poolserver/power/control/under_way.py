"""What is expected of each node and each group of rigs, by the commands under way."""

from collections.abc import Iterable, Mapping, Sequence

from poolserver.power.control.decision import Batch, RigKey, rig_key
from poolserver.power.control.expected import expected
from poolserver.power.control.headroom import Cap
from poolserver.power.control.plant import Plant
from poolserver.power.control.states import DeviceState
from poolserver.power.control.terms import Terms
from poolserver.power.state import RigGroup

GOING_OFF = frozenset({DeviceState.PENDING_OFF, DeviceState.VERIFYING, DeviceState.OFF})
_COMING_ON = frozenset({DeviceState.PENDING_ON, DeviceState.ON})


def expected_watts(
    plant: Plant,
    terms: Terms,
    caps: Sequence[Cap],
    aimed_w: Mapping[str, float],
    batches: Iterable[Batch],
    now_s: float,
) -> dict[str, float]:
    """By limited node: what mining will draw. ``aimed_w`` is the same of the tick before."""
    limited = {cap.path for cap in caps}
    off_w: dict[str, float] = {}
    on_w: dict[str, float] = {}
    for batch in batches:
        if batch.state is DeviceState.PENDING_ON:
            sums, power_w = on_w, batch.power_w * terms.cold_start
        elif batch.state in GOING_OFF and now_s - batch.issued_s < terms.settle_s:
            sums, power_w = off_w, batch.power_w
        else:
            continue
        for path, weight in plant.above(batch.node, limited):
            sums[path] = sums.get(path, 0.0) + power_w * weight
    return {
        cap.path: expected(
            aimed_w.get(cap.path), cap.mining_w, off_w.get(cap.path, 0.0), on_w.get(cap.path, 0.0)
        )
        for cap in caps
    }


def expected_rigs(
    terms: Terms,
    groups: Iterable[RigGroup],
    aimed: Mapping[RigKey, float],
    batches: Iterable[Batch],
    now_s: float,
) -> dict[RigKey, float]:
    """How many rigs will hash, of the groups whose commands may not be in their numbers yet."""
    off: dict[RigKey, float] = {}
    on: dict[RigKey, float] = {}
    read: dict[RigKey, float] = {}
    for batch in batches:
        if batch.state in GOING_OFF and now_s - batch.issued_s < terms.counts_lag_s:
            sums = off
        elif batch.state in _COMING_ON:
            sums = on
        else:
            continue
        key = rig_key(batch.node, batch.rating)
        sums[key] = sums.get(key, 0.0) + batch.rigs
        read[key] = 0.0
    nodes = {key[0] for key in read}
    for group in groups:
        if group.node in nodes:
            read[rig_key(group.node, group.rating)] = float(group.rigs)
    return {
        key: expected(aimed.get(key), rigs, off.get(key, 0.0), on.get(key, 0.0))
        for key, rigs in read.items()
    }
