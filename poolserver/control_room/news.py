"""What is worth a line in the log: what changes, and not what is so still."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog

from poolserver.control_room.desk import Tick
from poolserver.control_room.view import PowerView
from poolserver.power.budget import Silence
from poolserver.power.calibration import Teaching
from poolserver.power.silence import RigChange, RigState
from poolserver.power.state import MeterState, Quality

# Names of rigs in a line; a hall that loses its power is one line and not ten thousand.
NAMES_TOLD = 5

log = structlog.get_logger(__name__)


class NewsState(NamedTuple):
    """What was told last: of meters, of sources that are not heard, of frozen calibrations."""

    flagged: dict[str, Quality]
    unheard: set[tuple[str, str]]
    frozen: set[str]


class PowerNews:
    """Remembers what it has told."""

    def __init__(self) -> None:
        self.restore(NewsState({}, set(), set()))

    def state(self) -> NewsState:
        """What was told, for ``restore``."""
        return NewsState(self._flagged, self._unheard, self._frozen)

    def restore(self, state: NewsState) -> None:
        """What another has told is no news."""
        self._flagged, self._unheard, self._frozen = state

    def tell(
        self, tick: Tick, silences: Iterable[Silence], meters: Mapping[str, MeterState]
    ) -> None:
        """Tell what is new since the last tick."""
        for sentence in tick.decision.told:
            log.info("power_intended", what=sentence)
        self._tell_meters(meters)
        self._tell_sources(silences)
        self._tell_rigs(tick.changes)
        self._tell_calibrations(tick.view)

    def _tell_calibrations(self, view: PowerView) -> None:
        for node in view.nodes:
            taught = node.calibration
            is_frozen = taught is not None and taught.teaching == Teaching.FROZEN
            if is_frozen is (node.path in self._frozen) or taught is None:
                continue
            if is_frozen:
                self._frozen.add(node.path)
                log.warning(
                    "calibration_frozen",
                    node=node.path,
                    factor=round(taught.factor, 4),
                    newest=round(taught.newest, 4),
                )
            else:
                self._frozen.discard(node.path)
                log.info("calibration_goes_on", node=node.path, factor=round(taught.factor, 4))

    def _tell_meters(self, meters: Mapping[str, MeterState]) -> None:
        for name, meter in meters.items():
            before = self._flagged.get(name, Quality.NONE)
            if meter.quality is before:
                continue
            self._flagged[name] = meter.quality
            if meter.quality is Quality.GOOD:
                log.info("meter_believed", meter=name, was=before.value)
            else:
                quality = meter.quality.value
                log.warning("meter_not_believed", meter=name, quality=quality, reason=meter.reason)

    def _tell_sources(self, silences: Iterable[Silence]) -> None:
        unheard = {(each.source.name, each.source.node) for each in silences}
        for source, node in sorted(unheard - self._unheard):
            log.warning("budget_source_unheard", source=source, node=node)
        for source, node in sorted(self._unheard - unheard):
            log.info("budget_source_heard", source=source, node=node)
        self._unheard = unheard

    def _tell_rigs(self, changes: Iterable[RigChange]) -> None:
        silent = [each for each in changes if each.state is RigState.SILENT]
        back = [each for each in changes if each.was is RigState.SILENT and each not in silent]
        if silent:
            longest = max(silent, key=lambda each: each.silent_s)
            log.warning(
                "rigs_silent",
                rigs=len(silent),
                some=[each.worker for each in silent[:NAMES_TOLD]],
                silent_s=round(longest.silent_s),
                chance=f"{longest.chance:.1e}",
            )
        if back:
            counts = Counter(each.state.value for each in back)
            log.info("rigs_not_silent", some=[each.worker for each in back[:NAMES_TOLD]], **counts)
