"""Rigs that do what they are told: late, not at all, or for a while. For closed loops in tests."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from poolserver.power.budget import BudgetBook
from poolserver.power.control import Action, BatchReport, Command
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.state import (
    MeterState,
    Method,
    NodePower,
    Quality,
    Readings,
    RigGroup,
)
from poolserver.power.tree import PROGRAMME, PowerTree
from poolserver.power.uncertain import Uncertain

SILENT_S = 35.0
"""As the pool is certain of one rig's silence at 12 shares a minute."""
HEARD_S = 60.0
COLD_START = 1.1
NEVER = float("inf")


def rating(j_per_th: str, model: str = "S21") -> Rating:
    return Rating(Fraction(j_per_th), RatingSource.OPERATOR, model)


@dataclass
class Rig:
    node: str
    rating: Rating
    power_w: float
    nature: str = "obedient"
    """``deaf`` does not answer, ``liar`` says yes and runs on, ``slow`` hears the second time."""
    batch: int = 0
    runs: bool = True
    turns_at_s: float = NEVER
    """When it does what it was told."""
    hashes_from_s: float = -NEVER
    stopped_s: float = NEVER
    switched: int = 0


@dataclass
class Fleet:
    """Rigs below a tree; ``meter_lag`` readings are behind by so many ticks."""

    tree: PowerTree
    rigs: list[Rig]
    random: Random = field(default_factory=lambda: Random(6))
    noise: float = 0.001
    delay_s: tuple[float, float] = (2.0, 20.0)
    boot_s: tuple[float, float] = (60.0, 180.0)
    ai_w: dict[str, float] = field(default_factory=dict)
    """By node."""
    seen_w: dict[str, float] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    lineages: dict[str, list[tuple[str, float]]] = field(default_factory=dict)

    def obey(self, commands: Iterable[Command], now_s: float) -> None:
        """Carry out orders; every one has to be about rigs that are there."""
        for command in commands:
            self.commands.append(command)
            there = [
                rig
                for rig in self.rigs
                if rig.node == command.node and rig.rating == command.rating
            ]
            match command.action:
                case Action.OFF:
                    self._off(command, there, now_s)
                case Action.OFF_AGAIN:
                    self._again(command, there, now_s)
                case Action.ON:
                    found = [rig for rig in there if rig.batch == command.taken_from]
                    found.sort(key=lambda rig: rig.runs)
                    for rig in self._chosen(found, command):
                        rig.batch = command.batch
                        if not rig.runs:
                            self._start(rig, now_s)
                case Action.GIVE_UP:
                    of_batch = [rig for rig in there if rig.batch == command.taken_from]
                    undone = [rig for rig in of_batch if not self._silent(rig, now_s)]
                    for rig in self._chosen(undone, command):
                        rig.batch = command.batch
                case Action.RELEASE:
                    found = [rig for rig in there if rig.batch == command.batch]
                    if len(found) > command.rigs:
                        found = [rig for rig in found if self._hashes(rig, now_s)]
                    for rig in self._chosen(found, command):
                        rig.batch = 0

    def _off(self, command: Command, there: list[Rig], now_s: float) -> None:
        found = [rig for rig in there if rig.batch == command.taken_from]
        found.sort(key=lambda rig: not rig.runs)
        for rig in self._chosen(found, command):
            rig.batch = command.batch
            if rig.nature == "obedient" and rig.runs:
                rig.turns_at_s = now_s + self.random.uniform(*self.delay_s)

    def _again(self, command: Command, there: list[Rig], now_s: float) -> None:
        found = [r for r in there if r.batch == command.batch and not self._silent(r, now_s)]
        for rig in self._chosen(found, command):
            if rig.nature in ("slow", "obedient") and rig.runs:
                rig.turns_at_s = now_s + self.random.uniform(*self.delay_s)

    @staticmethod
    def _chosen(found: list[Rig], command: Command) -> list[Rig]:
        # How many run is known late: an order to stop may find fewer. All else is exact.
        if command.action is not Action.OFF:
            assert len(found) >= command.rigs > 0, f"{command} is about {len(found)} rigs"
        return found[: command.rigs]

    def _start(self, rig: Rig, now_s: float) -> None:
        rig.runs, rig.turns_at_s, rig.stopped_s = True, NEVER, NEVER
        rig.hashes_from_s = now_s + self.random.uniform(*self.boot_s)
        rig.switched += 1

    def reboot(self, rig: Rig, now_s: float) -> None:
        """It starts anew, whatever it was told."""
        self._start(rig, now_s)
        rig.switched -= 1

    def live(self, now_s: float) -> None:
        """Time passes."""
        self.seen_w = {node.path: self.ai_below_w(node.path) for node in self.tree}
        for rig in self.rigs:
            for path, power_w in self._draws(rig, now_s):
                self.seen_w[path] += power_w
        for rig in self.rigs:
            if rig.turns_at_s <= now_s:
                rig.runs, rig.stopped_s, rig.turns_at_s = False, rig.turns_at_s, NEVER
                rig.switched += 1

    def reports(self, now_s: float) -> list[BatchReport]:
        of_batch: dict[int, list[Rig]] = {command.batch: [] for command in self.commands}
        for rig in self.rigs:
            if rig.batch:
                of_batch.setdefault(rig.batch, []).append(rig)
        return [
            BatchReport(
                number,
                acknowledged=sum(rig.nature != "deaf" for rig in rigs),
                silent=sum(self._silent(rig, now_s) for rig in rigs),
                hashing=sum(self._hashes(rig, now_s) for rig in rigs),
                rigs=len(rigs),
            )
            for number, rigs in of_batch.items()
        ]

    @staticmethod
    def _silent(rig: Rig, now_s: float) -> bool:
        return not rig.runs and now_s - rig.stopped_s >= SILENT_S

    @staticmethod
    def _hashes(rig: Rig, now_s: float) -> bool:
        return rig.runs and rig.hashes_from_s <= now_s

    def draws_w(self, path: str, now_s: float) -> float:
        """What a node really draws."""
        return self.ai_below_w(path) + sum(
            power_w
            for rig in self.rigs
            for node, power_w in self._draws(rig, now_s)
            if node == path
        )

    def _draws(self, rig: Rig, now_s: float) -> Iterable[tuple[str, float]]:
        if not rig.runs:
            return ()
        power_w = rig.power_w * (COLD_START if now_s < rig.hashes_from_s else 1.0)
        return [(path, power_w * factor) for path, factor in self._above(rig.node)]

    def _above(self, node: str) -> list[tuple[str, float]]:
        """All nodes that a rig's power flows through, and its site's PUE from the site up."""
        if node not in self.lineages:
            found, factor = [], 1.0
            for each in self.tree.lineage(node):
                factor *= float(each.pue)
                found.append((each.path, factor))
            self.lineages[node] = found
        return self.lineages[node]

    def ai_below_w(self, path: str) -> float:
        return sum(power_w for node, power_w in self.ai_w.items() if _is_below(node, path))

    def readings(self, book: BudgetBook, now_s: float) -> Readings:
        """As meters tell, a tick late and with noise; AI load is told at once."""
        nodes = {}
        for node in self.tree:
            mining_w = self.seen_w[node.path] - self.ai_below_w(node.path)
            read_w = mining_w * (1 + self.random.gauss(0, self.noise))
            ai_w = self.ai_below_w(node.path)
            meter = MeterState(node.path, Quality.GOOD, power_w=read_w + ai_w, at_s=now_s)
            sigma_w = read_w * self.noise
            nodes[node.path] = NodePower(
                node.path,
                mining_w=Uncertain(read_w, sigma_w**2),
                ai_w=ai_w,
                total_w=Uncertain(read_w + ai_w, sigma_w**2),
                method=Method.METER,
                meter=meter,
            )
        return Readings(nodes, book.limits(now_s), book.mining_limits(now_s), self.groups(now_s))

    def groups(self, now_s: float) -> tuple[RigGroup, ...]:
        counts: dict[tuple[str, Rating], list[float]] = {}
        for rig in self.rigs:
            count = counts.setdefault((rig.node, rig.rating), [0, 0, 0.0])
            heard = (rig.runs and rig.hashes_from_s <= now_s) or now_s - rig.stopped_s < HEARD_S
            count[0 if heard else 1] += 1
            count[2] += rig.power_w if heard else 0.0
        return tuple(
            RigGroup(node, rating, int(count[0]), int(count[1]), count[2])
            for (node, rating), count in counts.items()
        )

    @property
    def switchings(self) -> int:
        return sum(rig.switched for rig in self.rigs)


def _is_below(node: str, path: str) -> bool:
    return path in (PROGRAMME, node) or node.startswith(f"{path}/")
