"""A tick: what is known now, and what is remembered, into what is to be done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolserver.power.budget import merged_limits
from poolserver.power.control.batches import BatchBook
from poolserver.power.control.decision import (
    Action,
    Batch,
    BatchReport,
    Command,
    ControlState,
    Decision,
    Intention,
    Terms,
)
from poolserver.power.control.expected import expected
from poolserver.power.control.headroom import Cap, caps
from poolserver.power.control.selection import (
    ROUNDING_W,
    Candidate,
    Picked,
    Relief,
    Returning,
    choose_off,
    choose_on,
    weight,
)
from poolserver.power.control.sites import Findings, next_site_state
from poolserver.power.control.states import IS_DRY, DeviceState, SiteState
from poolserver.power.control.words import news, what_changed
from poolserver.power.rating import Rating
from poolserver.power.state import Limit, LimitKind, Readings, RigGroup
from poolserver.power.tree import PROGRAMME, PowerTree

RigKey = tuple[str, Rating]


class Controller:
    """Keeps every node of a tree within its limit. It has no state of its own but the tree."""

    def __init__(self, tree: PowerTree, terms: Terms | None = None) -> None:
        self.tree = tree
        self.terms = terms or Terms()
        self._lineages: dict[str, tuple[str, ...]] = {}
        self._pue = {node.path: float(node.pue) for node in tree if node.kind == "site"}

    def step(
        self,
        state: ControlState,
        readings: Readings,
        now_s: float,
        reports: Iterable[BatchReport] = (),
    ) -> tuple[ControlState, Decision]:
        """One tick. Ticks come every five seconds; a late or a lost one does no harm."""
        return _Tick(self, state, readings, now_s).run(reports)

    def lineage(self, path: str) -> tuple[str, ...]:
        """The paths of a node and all above it."""
        found = self._lineages.get(path)
        if found is None:
            found = tuple(node.path for node in self.tree.lineage(path))
            self._lineages[path] = found
        return found

    def site_of(self, path: str) -> str:
        return path.partition("/")[0]

    def pue(self, site: str) -> float:
        return self._pue.get(site, 1.0)


@dataclass(slots=True)
class _Sums:
    """What is under way, by path or by group of rigs."""

    off: dict[object, float]
    on: dict[object, float]


class _Tick:
    def __init__(
        self, plant: Controller, state: ControlState, readings: Readings, now_s: float
    ) -> None:
        self._plant = plant
        self._terms = plant.terms
        self._state = state
        self._now_s = now_s
        self._groups = [group for group in readings.groups if group.node in plant.tree]
        self._blind_since = dict(self._find_blind(readings))
        limits = merged_limits(readings.limits, self._failsafe_limits(readings))
        self._readings = readings
        self._failing = {
            path
            for path, limit in limits.items()
            if any(each.kind is LimitKind.FAILSAFE for each in limit.limits)
        }
        self._caps = caps(plant.tree, readings, limits, plant.terms)
        self._of_path = {cap.path: cap for cap in self._caps}
        self._book = BatchBook(plant.terms, now_s, state.next_batch, self._is_dry)

    def run(self, reports: Iterable[BatchReport]) -> tuple[ControlState, Decision]:
        self._book.advance(self._state.batches, {each.batch: each for each in reports})
        expected_w = self._expected_w()
        expected_rigs = self._expected_rigs()
        over = self._over(expected_w)
        excess_w = {cap.path: expected_w[cap.path] - cap.cap_w + cap.band_w for cap in over}
        relief = choose_off(over, excess_w, lambda: self._candidates(expected_rigs))
        self._shed(relief, expected_w, expected_rigs)
        risen = self._restore(expected_w, expected_rigs, over)
        batches = tuple(self._book.batches.values())
        sites = self._next_sites(batches, over, risen)
        intentions = self._intentions(over, relief, risen, sites)
        told = dict(
            news(
                self._plant.tree,
                self._state.intentions,
                intentions,
                {cap.path: cap.band_w for cap in self._caps},
            )
        )
        after = replace(
            self._state,
            sites=sites,
            batches=batches,
            next_batch=self._book.next_number,
            expected_w=expected_w,
            expected_rigs={key: expected_rigs[key] for key in self._keys_of(batches)},
            over=frozenset(cap.path for cap in over if _is_above(cap, expected_w)),
            blind_since=self._blind_since,
            intentions={
                key: now if key in told else self._state.intentions[key]
                for key, now in intentions.items()
            },
            seen={
                cap.path: cap.seen
                if (key := (Action.OFF, cap.path)) in told or key not in intentions
                else self._state.seen.get(cap.path, cap.seen)
                for cap in self._caps
            },
            last_off_s=self._last_off_s(relief),
        )
        return after, Decision(
            commands=tuple(self._book.commands),
            intended=tuple(_intended(each) for each in relief.picked if each.candidate.dry),
            intentions=tuple(intentions.values()),
            told=tuple(told.values()),
            overloads=tuple(cap.overload() for cap in self._caps if cap.excess_w > 0),
            blind=tuple(sorted(self._blind_since)),
        )

    # --- what is known ---------------------------------------------------------------------------

    def _find_blind(self, readings: Readings) -> Iterator[tuple[str, float]]:
        """Nodes whose meter is not relied on, and since when it has not been good."""
        for path, power in readings.nodes.items():
            if power.meter is None:
                continue
            good_s = power.meter.at_s
            if good_s is None:  # there was none: from when that was first seen
                yield path, self._state.blind_since.get(path, self._now_s)
            elif self._now_s - good_s > self._terms.stale_s:
                yield path, good_s

    def _failsafe_limits(self, readings: Readings) -> Iterator[Limit]:
        for path, since_s in self._blind_since.items():
            limit_w = self._terms.failsafe_w.get(path)
            meter = readings.nodes[path].meter
            if limit_w is not None and self._now_s - since_s >= self._terms.failsafe_after_s:
                name = meter.name if meter else ""
                yield Limit(path, LimitKind.FAILSAFE, limit_w, f"meter {name}", "no good reading")

    def _is_dry(self, node: str) -> bool:
        return self._state.site(self._plant.site_of(node)) in IS_DRY

    def _above(self, node: str) -> tuple[str, ...]:
        """The limited nodes that a node is at or below."""
        return tuple(path for path in self._plant.lineage(node) if path in self._of_path)

    def _expected_w(self) -> dict[str, float]:
        sums = _Sums({}, {})
        for batch in self._book.batches.values():
            off_w, on_w = self._under_way_w(batch)
            if off_w or on_w:
                site = self._plant.site_of(batch.node)
                for path in self._above(batch.node):
                    factor = weight(path, site, self._plant.pue(site))
                    sums.off[path] = sums.off.get(path, 0.0) + off_w * factor
                    sums.on[path] = sums.on.get(path, 0.0) + on_w * factor
        return {
            cap.path: expected(
                self._state.expected_w.get(cap.path),
                cap.mining_w,
                sums.off.get(cap.path, 0.0),
                sums.on.get(cap.path, 0.0),
            )
            for cap in self._caps
        }

    def _under_way_w(self, batch: Batch) -> tuple[float, float]:
        """What of a batch may not show yet: going off, coming on; in watts at plugs."""
        if batch.state is DeviceState.PENDING_ON:
            return 0.0, batch.power_w * self._terms.cold_start
        recent = self._now_s - batch.issued_s < self._terms.settle_s
        if recent and batch.state in _GOING_OFF:
            return batch.power_w, 0.0
        return 0.0, 0.0

    def _expected_rigs(self) -> dict[RigKey, float]:
        """How many rigs hash, of the groups that have batches."""
        sums = _Sums({}, {})
        for batch in self._book.batches.values():
            key = batch.node, batch.rating
            recent = self._now_s - batch.issued_s < self._terms.counts_lag_s
            if recent and batch.state in _GOING_OFF:
                sums.off[key] = sums.off.get(key, 0.0) + batch.rigs
            elif batch.state in (DeviceState.PENDING_ON, DeviceState.ON):
                sums.on[key] = sums.on.get(key, 0.0) + batch.rigs
        keys = set(self._keys_of(self._book.batches.values()))
        nodes = {node for node, _ in keys}
        read = {
            (group.node, group.rating): float(group.rigs)
            for group in self._groups
            if group.node in nodes
        }
        return {
            key: expected(
                self._state.expected_rigs.get(key),
                read.get(key, 0.0),
                sums.off.get(key, 0.0),
                sums.on.get(key, 0.0),
            )
            for key in keys
        }

    @staticmethod
    def _keys_of(batches: Iterable[Batch]) -> Iterator[RigKey]:
        return ((batch.node, batch.rating) for batch in batches)

    def _over(self, expected_w: Mapping[str, float]) -> list[Cap]:
        """Nodes to relieve: over the limit, or on the way back from it to below the band."""
        found = []
        for cap in self._caps:
            excess_w = expected_w[cap.path] - cap.cap_w
            begins = excess_w > cap.noise_w + ROUNDING_W
            goes_on = cap.path in self._state.over and _is_above(cap, expected_w)
            if begins or goes_on:
                found.append(cap)
        return found

    # --- down ------------------------------------------------------------------------------------

    def _candidates(self, expected_rigs: Mapping[RigKey, float]) -> list[Candidate]:
        of_node: dict[str, list[Batch]] = {}
        for batch in self._book.batches.values():
            of_node.setdefault(batch.node, []).append(batch)
        found = []
        for group in self._groups:
            if group.rigs <= 0 or group.power_w <= 0:
                continue
            batches = [
                batch for batch in of_node.get(group.node, ()) if batch.rating == group.rating
            ]
            young = [batch for batch in batches if batch.state is DeviceState.ON]
            free = float(group.rigs)
            if batches:
                free = expected_rigs[group.node, group.rating]
                free -= sum(batch.rigs for batch in batches if batch.state not in _GOING_OFF)
            found.append(self._candidate(group, int(free), None))
            found += [self._candidate(group, batch.rigs, batch) for batch in young]
        return [each for each in found if each.rigs > 0]

    def _candidate(self, group: RigGroup, rigs: int, young: Batch | None) -> Candidate:
        site = self._plant.site_of(group.node)
        return Candidate(
            group.node,
            group.rating,
            rigs,
            group.rigs,
            group.power_w / group.rigs,
            self._above(group.node),
            self._plant.pue(site),
            site,
            self._is_dry(group.node),
            young,
            self._state.last_off_s.get(group.node, 0.0),
        )

    def _shed(
        self,
        relief: Relief,
        expected_w: dict[str, float],
        expected_rigs: dict[RigKey, float],
    ) -> None:
        for candidate, rigs, _ in relief.picked:
            if candidate.dry:
                continue
            key = candidate.node, candidate.rating
            expected_rigs[key] = expected_rigs.get(key, float(candidate.hashing)) - rigs
            for path in candidate.above:
                power_w = rigs * candidate.rig_w
                expected_w[path] -= power_w * weight(path, candidate.site, candidate.pue)
            self._book.shed(
                candidate.node, candidate.rating, rigs, candidate.rig_w, candidate.young
            )

    def _last_off_s(self, relief: Relief) -> Mapping[str, float]:
        shed = {each.candidate.node for each in relief.picked if not each.candidate.dry}
        if not shed:
            return self._state.last_off_s
        return {**self._state.last_off_s, **dict.fromkeys(shed, self._now_s)}

    # --- up --------------------------------------------------------------------------------------

    def _restore(
        self,
        expected_w: dict[str, float],
        expected_rigs: dict[RigKey, float],
        over: Sequence[Cap],
    ) -> list[tuple[Batch, int]]:
        """Switch on what there is room for; which batches, and how many rigs of each."""
        returning = list(self._returning({cap.path for cap in over}, expected_w))
        if not returning:
            return []
        room_w = {cap.path: self._room_w(cap, expected_w, start=False) for cap in self._caps}
        ramp_w = {each.site: self._ramp_w(each.site) for each in returning}
        chosen = choose_on(returning, room_w, ramp_w, self._terms.cold_start)
        for batch, rigs in chosen:
            site = self._plant.site_of(batch.node)
            for path in self._above(batch.node):
                factor = weight(path, site, self._plant.pue(site)) * self._terms.cold_start
                expected_w[path] += rigs * batch.rig_w * factor
            expected_rigs[batch.node, batch.rating] += rigs
            self._book.restore(batch, rigs)
        return chosen

    def _returning(self, over: set[str], expected_w: Mapping[str, float]) -> Iterator[Returning]:
        """Batches that have been off long enough, where nothing speaks against more load."""
        may_rise: dict[str, bool] = {}
        for batch in self._book.batches.values():
            if batch.state is not DeviceState.OFF:
                continue
            if self._now_s - batch.since_s < self._terms.min_off_s:
                continue
            site = self._plant.site_of(batch.node)
            if batch.node not in may_rise:
                may_rise[batch.node] = self._may_rise(batch.node, site, over, expected_w)
            if may_rise[batch.node]:
                yield Returning(batch, self._above(batch.node), self._plant.pue(site), site)

    def _may_rise(
        self, node: str, site: str, over: set[str], expected_w: Mapping[str, float]
    ) -> bool:
        state = self._state.site(site)
        if state not in (SiteState.HOLD, SiteState.RESTORING):
            return False
        above = self._plant.lineage(node)
        if any(path in self._blind_since or path in over for path in above):
            return False
        if any(path in self._failing for path in (site, PROGRAMME)):
            return False
        start = state is SiteState.HOLD
        return all(
            self._room_w(self._of_path[path], expected_w, start=start) > 0
            for path in above
            if path in self._of_path
        )

    @staticmethod
    def _room_w(cap: Cap, expected_w: Mapping[str, float], *, start: bool) -> float:
        """Up to the dead band; to ``start`` with there must be a band more, and the noise."""
        room_w = cap.cap_w - cap.band_w - expected_w[cap.path]
        return room_w - cap.band_w - cap.noise_w if start else room_w

    def _ramp_w(self, site: str) -> float:
        """What may be switched on in a tick, in watts at plugs."""
        cap = self._of_path.get(site)
        if cap is not None:
            return self._terms.ramp * cap.limit.limit_w / self._plant.pue(site)
        running_w = sum(
            each.power_w for each in self._groups if self._plant.site_of(each.node) == site
        )
        off_w = sum(
            each.power_w
            for each in self._book.batches.values()
            if self._plant.site_of(each.node) == site and each.state is DeviceState.OFF
        )
        return self._terms.ramp * (running_w + off_w)

    # --- what it comes to ------------------------------------------------------------------------

    def _next_sites(
        self, batches: Iterable[Batch], over: Sequence[Cap], risen: Sequence[tuple[Batch, int]]
    ) -> dict[str, SiteState]:
        of_site: dict[str, list[Batch]] = {}
        for batch in batches:
            of_site.setdefault(self._plant.site_of(batch.node), []).append(batch)
        over_sites = {self._plant.site_of(cap.path) for cap in over}
        shedding = {
            self._plant.site_of(each.node)
            for each in self._book.commands
            if each.action is Action.OFF
        }
        rising = {self._plant.site_of(batch.node) for batch, _ in risen}
        failing = {self._plant.site_of(path) for path in self._failing}
        return {
            site: next_site_state(
                state,
                Findings(
                    blind=site in failing or "" in failing,
                    over=site in over_sites or site in shedding,
                    rising=site in rising,
                ),
                of_site.get(site, ()),
            )
            for site, state in self._state.sites.items()
        }

    def _intentions(
        self,
        over: Sequence[Cap],
        relief: Relief,
        risen: Sequence[tuple[Batch, int]],
        sites: Mapping[str, SiteState],
    ) -> dict[tuple[Action, str], Intention]:
        picked: dict[str, list[Picked]] = {}
        for each in relief.picked:
            picked.setdefault(each.cap.path, []).append(each)
        found: dict[tuple[Action, str], Intention] = {}
        for cap in over:
            short_w = relief.short_w.get(cap.path, 0.0)
            parts = picked.get(cap.path, [])
            if parts or short_w:
                found[Action.OFF, cap.path] = self._shedding(cap, parts, short_w)
        for site, state in sites.items():
            if state is SiteState.RESTORING:
                parts_on = [each for each in risen if self._plant.site_of(each[0].node) == site]
                restoring = self._restoring(site, parts_on)
                if restoring is not None:
                    found[Action.ON, site] = restoring
        return found

    def _shedding(self, cap: Cap, parts: Sequence[Picked], short_w: float) -> Intention:
        told = self._state.intentions.get((Action.OFF, cap.path))
        before = self._state.seen.get(cap.path)
        return Intention(
            Action.OFF,
            cap.path,
            cap.limit,
            sum(each.rigs for each in parts),
            sum(each.rigs * each.candidate.rig_w for each in parts),
            tuple(dict.fromkeys(each.candidate.node for each in parts)),
            all(each.candidate.dry for each in parts),
            what_changed(self._plant.tree, cap.path, before, cap.seen),
            told.since_s if told else self._now_s,
            short_w,
        )

    def _restoring(self, site: str, parts: Sequence[tuple[Batch, int]]) -> Intention | None:
        told = self._state.intentions.get((Action.ON, site))
        if not parts:
            return told
        return Intention(
            Action.ON,
            site,
            None,
            sum(rigs for _, rigs in parts),
            sum(rigs * batch.rig_w * self._terms.cold_start for batch, rigs in parts),
            tuple(dict.fromkeys(batch.node for batch, _ in parts)),
            False,
            "there is room again",
            told.since_s if told else self._now_s,
        )


_GOING_OFF = frozenset({DeviceState.PENDING_OFF, DeviceState.VERIFYING, DeviceState.OFF})


def _is_above(cap: Cap, expected_w: Mapping[str, float]) -> bool:
    """Whether it is not down to the dead band yet."""
    return expected_w[cap.path] > cap.cap_w - cap.band_w + ROUNDING_W


def _intended(picked: Picked) -> Command:
    candidate = picked.candidate
    return Command(
        Action.OFF,
        0,
        candidate.node,
        candidate.rating,
        picked.rigs,
        picked.rigs * candidate.rig_w,
    )
