"""A tick: what is known now, and what is remembered, into what is to be done."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from poolserver.power.budget import merged_limits
from poolserver.power.control import intentions
from poolserver.power.control.batches import BatchBook
from poolserver.power.control.decision import (
    Action,
    Batch,
    BatchReport,
    Command,
    ControlState,
    Decision,
    Intention,
    RigKey,
    rig_key,
)
from poolserver.power.control.headroom import Cap, caps
from poolserver.power.control.plant import Above, Plant, site_of
from poolserver.power.control.selection import (
    ROUNDING_W,
    Candidate,
    Picked,
    Relief,
    Returning,
    choose_off,
    choose_on,
)
from poolserver.power.control.sites import Findings, next_site_state
from poolserver.power.control.states import IS_DRY, DeviceState, SiteState
from poolserver.power.control.terms import Terms
from poolserver.power.control.under_way import GOING_OFF, expected_rigs, expected_watts
from poolserver.power.control.words import site_changed, what_changed
from poolserver.power.state import Limit, LimitKind, Quality, Readings, RigGroup
from poolserver.power.tree import PowerTree


class Controller:
    """Keeps every node of a tree within its limit. What it remembers is its caller's to keep."""

    def __init__(self, tree: PowerTree, terms: Terms | None = None) -> None:
        self._plant = Plant(tree)
        self._terms = terms or Terms()

    def step(
        self,
        state: ControlState,
        readings: Readings,
        now_s: float,
        reports: Iterable[BatchReport] = (),
    ) -> tuple[ControlState, Decision]:
        """One tick. Ticks come every five seconds; a late or a lost one does no harm."""
        return _Tick(self._plant, self._terms, state, readings, now_s).run(reports)


class _Tick:
    def __init__(
        self, plant: Plant, terms: Terms, state: ControlState, readings: Readings, now_s: float
    ) -> None:
        self._plant = plant
        self._terms = terms
        self._before = state
        self._now_s = now_s
        self._groups = [group for group in readings.groups if group.node in plant.tree]
        self._blind_since = dict(self._find_blind(readings))
        limits, more = readings.limits, list(self._failsafe_limits(readings))
        if more:
            limits = merged_limits(limits, more)
        # What is read of them is by another method for now, and may be less without being so.
        self._unsure = {
            path
            for path, power in readings.nodes.items()
            if power.meter is not None and power.meter.quality is not Quality.GOOD
        }
        self._failing = {
            site_of(path)
            for path, limit in limits.items()
            for each in limit.limits
            if each.kind is LimitKind.FAILSAFE
        }
        self._limits = limits
        self._caps = caps(plant.tree, readings, limits, terms)
        self._of_path = {cap.path: cap for cap in self._caps}
        self._aboves: dict[str, Above] = {}
        self._book = BatchBook(terms, now_s, state.next_batch, self._is_dry)
        self._expected_w: dict[str, float] = {}
        self._expected_rigs: dict[RigKey, float] = {}
        self._fulls: dict[bool, set[str]] = {}

    def run(self, reports: Iterable[BatchReport]) -> tuple[ControlState, Decision]:
        before, now_s, terms = self._before, self._now_s, self._terms
        self._book.advance(before.batches, {each.batch: each for each in reports})
        batches = self._book.batches.values()
        self._expected_w = expected_watts(
            self._plant, terms, self._caps, before.expected_w, batches, now_s
        )
        self._expected_rigs = expected_rigs(
            terms, self._groups, before.expected_rigs, batches, now_s
        )
        over = [cap for cap in self._caps if self._is_to_relieve(cap)]
        excess_w = {cap.path: self._above_target_w(cap) for cap in over}
        relief = choose_off(over, excess_w, self._candidates(excess_w) if over else [])
        self._shed(relief)
        risen = self._restore({cap.path for cap in over})
        return self._outcome(over, relief, risen)

    def _outcome(
        self, over: Sequence[Cap], relief: Relief, risen: Sequence[tuple[Batch, int]]
    ) -> tuple[ControlState, Decision]:
        before, batches = self._before, tuple(self._book.batches.values())
        sites = self._next_sites(batches, over, risen)
        standing, told = intentions.tell(
            self._plant.tree,
            before.intentions,
            self._intentions(over, relief, risen, sites),
            self._worth_telling_w,
            self._reason,
        )
        of_over = {node for action, node in standing.keys() - told.keys() if action is Action.OFF}
        after = replace(
            before,
            sites=sites,
            batches=batches,
            next_batch=self._book.next_number,
            expected_w=self._expected_w,
            expected_rigs=self._expected_rigs,
            over=frozenset(cap.path for cap in over if self._above_target_w(cap) > ROUNDING_W),
            blind_since=self._blind_since,
            intentions=standing,
            seen=self._of_path | {path: before.seen[path] for path in of_over},
            last_off_s=self._last_off_s(relief),
        )
        changed = [
            site_changed(site, before.site(site), state)
            for site, state in sites.items()
            if state is not before.site(site)
        ]
        return after, Decision(
            commands=tuple(self._book.commands),
            intended=tuple(_intended(each) for each in relief.picked if each.candidate.dry),
            intentions=tuple(standing.values()),
            told=(*told.values(), *changed),
            overloads=tuple(cap.overload() for cap in self._caps if cap.excess_w > 0),
            blind=tuple(sorted(self._blind_since)),
            limits=self._limits,
        )

    # --- what is known ---------------------------------------------------------------------------

    def _find_blind(self, readings: Readings) -> Iterator[tuple[str, float]]:
        """Nodes whose meter is not relied on, and since when it has not been good."""
        for path, power in readings.nodes.items():
            if power.meter is None:
                continue
            good_s = power.meter.at_s
            if good_s is None:  # there was none: from when that was first seen
                yield path, self._before.blind_since.get(path, self._now_s)
            elif abs(self._now_s - good_s) > self._terms.stale_s:  # a clock may be set back
                yield path, min(good_s, self._before.blind_since.get(path, self._now_s))

    def _failsafe_limits(self, readings: Readings) -> Iterator[Limit]:
        for path, since_s in self._blind_since.items():
            limit_w = self._terms.failsafe_w.get(path)
            meter = readings.nodes[path].meter
            if limit_w is not None and self._now_s - since_s >= self._terms.failsafe_after_s:
                name = meter.name if meter else ""
                yield Limit(path, LimitKind.FAILSAFE, limit_w, f"meter {name}", "no good reading")

    def _is_dry(self, node: str) -> bool:
        return self._before.site(site_of(node)) in IS_DRY

    def _above(self, node: str) -> Above:
        found = self._aboves.get(node)
        if found is None:
            found = self._aboves[node] = self._plant.above(node, self._of_path)
        return found

    def _worth_telling_w(self, path: str) -> float:
        """A change of less is none: the dead band, or chance where that is more."""
        cap = self._of_path.get(path)
        return 0.0 if cap is None else cap.band_w(self._terms) + cap.noise_w(self._terms)

    def _above_target_w(self, cap: Cap) -> float:
        """What is drawn above the lower edge of the dead band, to which rigs are switched off."""
        return self._expected_w[cap.path] - cap.cap_w + cap.band_w(self._terms)

    def _is_to_relieve(self, cap: Cap) -> bool:
        """Over its limit, or on the way back from it to below the dead band."""
        if self._expected_w[cap.path] > cap.cap_w + ROUNDING_W + cap.noise_w(self._terms):
            return True
        return cap.path in self._before.over and self._above_target_w(cap) > ROUNDING_W

    # --- down ------------------------------------------------------------------------------------

    def _candidates(self, over: Container[str]) -> list[Candidate]:
        """Rigs below these nodes that may be switched off."""
        of_node: dict[str, list[Batch]] = {}
        for batch in self._book.batches.values():
            of_node.setdefault(batch.node, []).append(batch)
        found = []
        for group in self._groups:
            if group.rigs <= 0 or group.power_w <= 0:
                continue
            if not any(path in over for path, _ in self._above(group.node)):
                continue
            free, rig_w = float(group.rigs), group.power_w / group.rigs
            there = of_node.get(group.node)
            batches = [each for each in there if each.rating == group.rating] if there else []
            if batches:
                expected = self._expected_rigs.get(rig_key(group.node, group.rating))
                if expected is not None:
                    # Watts show sooner than rigs fall silent: one over the other is no rig's.
                    free, rig_w = expected, batches[-1].rig_w
                free -= sum(batch.rigs for batch in batches if batch.state not in GOING_OFF)
            found.append(self._candidate(group, int(free), rig_w, None))
            found += [
                self._candidate(group, batch.rigs, rig_w, batch)
                for batch in batches
                if batch.state is DeviceState.ON
            ]
        return [each for each in found if each.rigs > 0]

    def _candidate(
        self, group: RigGroup, rigs: int, rig_w: float, young: Batch | None
    ) -> Candidate:
        return Candidate(
            group.node,
            group.rating,
            rigs,
            rig_w,
            self._above(group.node),
            self._is_dry(group.node),
            young,
            self._before.last_off_s.get(group.node, 0.0),
        )

    def _shed(self, relief: Relief) -> None:
        for candidate, rigs, _ in relief.picked:
            if candidate.dry:
                continue
            node, rating = candidate.node, candidate.rating
            key = rig_key(node, rating)
            if key in self._expected_rigs:  # otherwise the next tick works it out
                self._expected_rigs[key] -= rigs
            for path, weight in candidate.above:
                self._expected_w[path] -= rigs * candidate.rig_w * weight
            self._book.shed(node, rating, rigs, candidate.rig_w, candidate.young)

    def _last_off_s(self, relief: Relief) -> Mapping[str, float]:
        shed = {each.candidate.node for each in relief.picked if not each.candidate.dry}
        if not shed:
            return self._before.last_off_s
        return {**self._before.last_off_s, **dict.fromkeys(shed, self._now_s)}

    # --- up --------------------------------------------------------------------------------------

    def _restore(self, over: set[str]) -> list[tuple[Batch, int]]:
        """Switch on what there is room for; which batches, and how many rigs of each."""
        returning = list(self._returning(over))
        if not returning:
            return []
        room_w = {cap.path: -self._above_target_w(cap) for cap in self._caps}
        ramp_w = {each.site: self._ramp_w(each.site) for each in returning}
        chosen = choose_on(returning, room_w, ramp_w, self._terms.cold_start)
        for batch, rigs in chosen:
            for path, weight in self._above(batch.node):
                self._expected_w[path] += rigs * batch.rig_w * self._terms.cold_start * weight
            key = rig_key(batch.node, batch.rating)
            if key in self._expected_rigs:  # otherwise the next tick works it out
                self._expected_rigs[key] += rigs
            self._book.restore(batch, rigs)
        return chosen

    def _returning(self, over: set[str]) -> Iterator[Returning]:
        """Batches that have been off long enough, where nothing speaks against more load."""
        may_rise: dict[str, bool] = {}
        for batch in self._book.batches.values():
            if batch.state is not DeviceState.OFF:
                continue
            if self._now_s - batch.since_s < self._terms.min_off_s:
                continue
            if batch.node not in may_rise:
                may_rise[batch.node] = self._may_rise(batch.node, over)
            if may_rise[batch.node]:
                yield Returning(batch, self._above(batch.node), site_of(batch.node))

    def _may_rise(self, node: str, over: set[str]) -> bool:
        state = self._before.site(site_of(node))
        if state not in (SiteState.HOLD, SiteState.RESTORING):
            return False
        if self._failing & {site_of(node), ""}:
            return False
        barred = self._blind_since.keys() | self._unsure | over
        if any(path in barred for path, _ in self._plant.lineage(node)):
            return False
        full = self._full(start=state is SiteState.HOLD)
        return not any(path in full for path, _ in self._above(node))

    def _full(self, *, start: bool) -> set[str]:
        """Nodes without room. To ``start`` with they must have a dead band more, and the noise."""
        found = self._fulls.get(start)
        if found is None:
            terms = self._terms
            found = self._fulls[start] = {
                cap.path
                for cap in self._caps
                if self._above_target_w(cap)
                >= (-cap.band_w(terms) - cap.noise_w(terms) if start else 0.0)
            }
        return found

    def _ramp_w(self, site: str) -> float:
        """What may be switched on in a tick, in watts at plugs."""
        cap = self._of_path.get(site)
        if cap is not None:
            return self._terms.ramp * cap.limit.limit_w / self._plant.pue(site)
        running_w = sum(each.power_w for each in self._groups if site_of(each.node) == site)
        off_w = sum(
            each.power_w for each in self._book.batches.values() if site_of(each.node) == site
        )
        return self._terms.ramp * (running_w + off_w)

    # --- what it comes to ------------------------------------------------------------------------

    def _next_sites(
        self, batches: Iterable[Batch], over: Sequence[Cap], risen: Sequence[tuple[Batch, int]]
    ) -> dict[str, SiteState]:
        of_site: dict[str, list[Batch]] = {}
        for batch in batches:
            of_site.setdefault(site_of(batch.node), []).append(batch)
        over_sites = {site_of(cap.path) for cap in over}
        over_sites |= {
            site_of(each.node) for each in self._book.commands if each.action is Action.OFF
        }
        rising = {site_of(batch.node) for batch, _ in risen}
        return {
            site: next_site_state(
                state,
                Findings(bool(self._failing & {site, ""}), site in over_sites, site in rising),
                of_site.get(site, ()),
            )
            for site, state in self._before.sites.items()
        }

    def _intentions(
        self,
        over: Sequence[Cap],
        relief: Relief,
        risen: Sequence[tuple[Batch, int]],
        sites: Mapping[str, SiteState],
    ) -> dict[intentions.Key, Intention]:
        found = intentions.shedding(over, relief, self._now_s)
        for site, state in sites.items():
            if state is not SiteState.RESTORING:
                continue
            key = Action.ON, site
            parts = [each for each in risen if site_of(each[0].node) == site]
            if parts:
                found[key] = intentions.restoring(site, parts, self._terms.cold_start, self._now_s)
            elif key in self._before.intentions:
                found[key] = self._before.intentions[key]
        return found

    def _reason(self, intention: Intention) -> str:
        path = intention.node
        return what_changed(
            self._plant.tree, path, self._before.seen.get(path), self._of_path[path]
        )


def _intended(picked: Picked) -> Command:
    candidate, rigs = picked.candidate, picked.rigs
    power_w = rigs * candidate.rig_w
    return Command(Action.OFF, 0, candidate.node, candidate.rating, rigs, power_w)
