"""A scenario's world: rigs that obey at once or never, meters that can stop, words and schedules.

docs/control.md tells the form of a scenario.
"""

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from poolserver.power.budget import BudgetBook, BudgetSignal, BudgetSource
from poolserver.power.control import (
    Action,
    BatchReport,
    Command,
    Controller,
    ControlState,
    Decision,
    SiteState,
    Terms,
)
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.schedule import BudgetSchedule, Hours, ScheduleEntry, Season
from poolserver.power.state import (
    MeterState,
    Method,
    NodePower,
    Quality,
    Readings,
    RigGroup,
)
from poolserver.power.tree import AiLoad, PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

MW = 1_000_000
Scenario = dict[str, Any]


@dataclass
class Group:
    node: str
    rating: Rating
    rigs: int
    rig_w: float
    batches: dict[int, int] = field(default_factory=dict)
    """Rigs by batch."""


class World:
    def __init__(self, scenario: Scenario) -> None:
        self.tree = PowerTree([_node(each) for each in scenario["tree"]])
        self.groups = [_group(each) for each in scenario.get("rigs", [])]
        self.book = BudgetBook(
            self.tree,
            BudgetSchedule(map(_entry, scenario.get("schedule", []))),
            map(_source, scenario.get("sources", [])),
        )
        terms = dict(scenario.get("terms", {}))
        failsafe = terms.pop("failsafe_mw", {})
        terms["failsafe_w"] = {path: round(mw * MW) for path, mw in failsafe.items()}
        self.controller = Controller(self.tree, Terms(**terms))
        sites = scenario.get("sites", {})
        self.state = ControlState(sites={name: SiteState(each) for name, each in sites.items()})
        self.begin_s = datetime.fromisoformat(
            scenario.get("begin", "2026-07-01T00:00Z")
        ).timestamp()
        self.ai_mw: dict[str, float] = {}
        self.other_mw: dict[str, float] = {}
        self.sigma: dict[str, float] = {}
        self.meters: dict[str, float | None] = {}
        """By node: when it gave its last good reading; None: now."""
        self.deaf: set[str] = set()
        self.off: set[int] = set()
        """Batches that were told to stop."""

    def apply(self, step: Scenario, now_s: float) -> None:
        """What a step changes in the world."""
        self.ai_mw |= step.get("ai_mw", {})
        self.other_mw |= step.get("other_mw", {})
        self.sigma |= step.get("sigma", {})
        self.deaf = set(step.get("deaf", self.deaf))
        for path, word in step.get("meters", {}).items():
            self.meters[path] = None if word == "good" else now_s
        for each in step.get("rigs", []):
            changed = _group(each)
            (found,) = (
                group
                for group in self.groups
                if (group.node, group.rating) == (changed.node, changed.rating)
            )
            found.rigs, found.rig_w = changed.rigs, changed.rig_w
        for word in step.get("words", []):
            limit_mw, until_s = word["limit_mw"], word.get("for_s")
            self.book.take(
                BudgetSignal(
                    word["node"],
                    None if limit_mw is None else limit_mw * MW,
                    word["source"],
                    now_s,
                    None if until_s is None else now_s + until_s,
                    word.get("reason", ""),
                    of_mining=word.get("of_mining", False),
                ),
                now_s,
            )

    def tick(self, now_s: float) -> Decision:
        readings = Readings(
            {node.path: self._power(node, now_s) for node in self.tree},
            self.book.limits(now_s),
            self.book.mining_limits(now_s),
            tuple(
                RigGroup(each.node, each.rating, running, off, running * each.rig_w)
                for each in self.groups
                for running, off in [self._counts(each)]
            ),
        )
        self.state, decision = self.controller.step(self.state, readings, now_s, self._reports())
        for command in decision.commands:
            self._obey(command)
        return decision

    def _counts(self, group: Group) -> tuple[int, int]:
        off = sum(rigs for number, rigs in group.batches.items() if self._is_off(group, number))
        return group.rigs - off, off

    def _is_off(self, group: Group, number: int) -> bool:
        return number in self.off and group.node not in self.deaf

    def _power(self, node: PowerNode, now_s: float) -> NodePower:
        mining_w = sum(
            self._counts(group)[0] * group.rig_w * pue
            for group in self.groups
            for path, pue in self._above(group.node)
            if path == node.path
        )
        ai_w, other_w = (
            sum(mw for path, mw in load.items() if _is_below(path, node.path)) * MW
            for load in (self.ai_mw, self.other_mw)
        )
        meter = None
        if node.path in self.meters:
            good_s = self.meters[node.path]
            quality = Quality.GOOD if good_s is None else Quality.STALE
            meter = MeterState(
                f"meter-{node.name}", quality, at_s=now_s if good_s is None else good_s
            )
        sigma_w = self.sigma.get(node.path, 0.0) * mining_w
        return NodePower(
            node.path,
            mining_w=Uncertain(mining_w, sigma_w**2),
            ai_w=ai_w,
            total_w=Uncertain(mining_w + ai_w + other_w, sigma_w**2),
            method=Method.METER
            if meter is not None and meter.quality is Quality.GOOD
            else Method.SHARES,
            meter=meter,
        )

    def _above(self, path: str) -> list[tuple[str, float]]:
        found, pue = [], 1.0
        for node in self.tree.lineage(path):
            pue *= float(node.pue)
            found.append((node.path, pue))
        return found

    def _reports(self) -> list[BatchReport]:
        found = []
        for group in self.groups:
            for number, rigs in group.batches.items():
                off = rigs if self._is_off(group, number) else 0
                found.append(BatchReport(number, rigs, off, rigs - off, rigs))
        return found

    def _obey(self, command: Command) -> None:
        (group,) = (
            each
            for each in self.groups
            if (each.node, each.rating) == (command.node, command.rating)
        )
        if command.action in (Action.OFF, Action.ON, Action.GIVE_UP):
            if command.taken_from:
                self._take(group, command.taken_from, command.rigs)
            group.batches[command.batch] = command.rigs
        elif command.action is Action.RELEASE:
            self._take(group, command.batch, command.rigs)
        if command.action is Action.OFF:
            self.off.add(command.batch)

    @staticmethod
    def _take(group: Group, number: int, rigs: int) -> None:
        group.batches[number] -= rigs
        assert group.batches[number] >= 0
        if not group.batches[number]:
            del group.batches[number]


def _is_below(node: str, path: str) -> bool:
    return path in ("/", node) or node.startswith(f"{path}/")


def _watts(table: Scenario, name: str) -> int | None:
    return round(table[name] * MW) if name in table else None


def _node(table: Scenario) -> PowerNode:
    return PowerNode(
        table["path"],
        table.get("kind", "other"),
        limit_w=_watts(table, "limit_mw"),
        mining_limit_w=_watts(table, "mining_limit_mw"),
        pue=Fraction(str(table.get("pue", 1))),
        ai_loads=tuple(AiLoad(name, None, 0) for name in table.get("ai_loads", ())),
    )


def _group(table: Scenario) -> Group:
    rating = Rating(Fraction(str(table["j_per_th"])), RatingSource.OPERATOR, table["model"])
    return Group(table["node"], rating, table["rigs"], table["rig_w"])


def _entry(table: Scenario) -> ScheduleEntry:
    given = dict(table)
    given["limit_w"] = round(given.pop("limit_mw") * MW)
    given["hours"] = tuple(Hours(*each) for each in given.get("hours", ()))
    given["weekdays"] = frozenset(given.get("weekdays", ()))
    given["seasons"] = tuple(
        Season(tuple(first), tuple(last)) for first, last in given.get("seasons", ())
    )
    return ScheduleEntry(**given)


def _source(table: Scenario) -> BudgetSource:
    given = dict(table)
    given["failsafe_w"] = _watts(given, "failsafe_mw")
    given.pop("failsafe_mw", None)
    return BudgetSource(**given)
