"""What is believed of any tree, with some nodes metered and some not, is the plain sum of it all.

The plain way: every figure is a number and a sum of independent errors by what each comes of, made
anew from the lines and the meters by the rules of docs/power.md, node by node, without what the
estimator and belief do to be fast.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.belief import believe
from poolserver.power.calibration import Calibrator
from poolserver.power.estimator import Estimator
from poolserver.power.rating import (
    MODEL_SIGMA,
    NAMEPLATE_SIGMA,
    RIG_SIGMA,
    SITE_SIGMA,
    Rating,
    RatingSource,
)
from poolserver.power.state import MeterState, NodePower, Quality, RigGroup
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

RATINGS = (
    Rating(Fraction("17.5"), RatingSource.OPERATOR, "S21"),
    Rating(Fraction("21.5"), RatingSource.IDENTITY, "S19 XP"),
    Rating(Fraction(30), RatingSource.SITE_DEFAULT, ""),
    Rating(Fraction("18.3"), RatingSource.TELEMETRY, ""),
)
SHARE = 10**15
METER_SIGMA = 0.003
NOW_S = 60.0


@dataclass
class Sum:
    """A number and its independent errors, one sigma each, by what they come of."""

    value: float = 0.0
    errors: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, other: "Sum", times: float = 1.0) -> None:
        self.value += other.value * times
        for source, sigma in other.errors.items():
            self.errors[source] = self.errors.get(source, 0.0) + sigma * times

    @property
    def sigma(self) -> float:
        return sqrt(sum(each * each for each in self.errors.values()))


@dataclass(frozen=True)
class Line:
    node: str
    rating: Rating
    rigs: int

    @property
    def work(self) -> NodeWork:
        shares = 12 * self.rigs
        return NodeWork(shares * SHARE, shares * SHARE**2, shares * SHARE)

    @property
    def w(self) -> float:
        return self.work.proven_work / 60 * float(self.rating.j_per_th) * 1e-12

    def sum(self) -> Sum:
        mine, site = (self.node, self.rating.error_source), self.node.partition("/")[0]
        is_told = self.rating.source is RatingSource.TELEMETRY
        return Sum(
            self.w,
            {
                ("chance", *mine): self.w / sqrt(12 * self.rigs),
                ("rigs", *mine): self.w * RIG_SIGMA / sqrt(self.rigs),
                (self.rating.error_source,): self.w * MODEL_SIGMA[self.rating.source],
                ("site", site): self.w * SITE_SIGMA,
                ("nameplates",): 0.0 if is_told else self.w * NAMEPLATE_SIGMA,
            },
        )


@dataclass(frozen=True)
class Case:
    tree: PowerTree
    lines: tuple[Line, ...]
    meters: dict[str, float]
    """By the path of the node, those that are good."""
    ai_w: dict[str, float]
    """By the name of the load, those that are told."""


@st.composite
def cases(draw: st.DrawFn) -> Case:
    nodes = [PowerNode(PROGRAMME, "programme", meter=draw(st.sampled_from([None, "/"])))]
    lines: list[Line] = []
    for site in ("A", "B"):
        pue = draw(st.sampled_from([Fraction(1), Fraction("1.05"), Fraction("1.4")]))
        paths = [site, f"{site}/F1", f"{site}/F2", f"{site}/F2/r1", f"{site}/F2/r2"]
        for path in paths:
            name = f"hall of {path}"
            hall = AiLoad(name, None, 700_000, site)
            nodes.append(
                PowerNode(
                    path,
                    "site" if path == site else "feeder",
                    meter=path if draw(st.booleans()) else None,
                    auxiliary_w=draw(st.sampled_from([0, 30_000])),
                    pue=pue if path == site else Fraction(1),
                    ai_loads=(hall,) if draw(st.booleans()) else (),
                )
            )
            if draw(st.booleans()):
                rating = draw(st.sampled_from(RATINGS))
                lines.append(Line(path, rating, draw(st.integers(1, 500))))
    meters = {
        node.path: draw(st.floats(1e6, 1e7))
        for node in nodes
        if node.meter is not None and draw(st.booleans())
    }
    loads = [load.name for node in nodes for load in node.ai_loads]
    ai_w = {name: draw(st.floats(0, 1e6)) for name in loads if draw(st.booleans())}
    return Case(PowerTree(nodes), tuple(lines), meters, ai_w)


@dataclass
class Plain:
    """What is true of a node by the rules."""

    estimated: Sum = field(default_factory=Sum)
    mining: Sum = field(default_factory=Sum)
    total: Sum = field(default_factory=Sum)
    residual: Sum | None = None
    ai_w: float = 0.0
    auxiliary_w: float = 0.0
    ai_known: bool = True


def plainly(case: Case, path: str, found: dict[str, Plain]) -> Plain:
    """Recursively; all nodes are in ``found`` then."""
    node, plain = case.tree[path], Plain()
    below = [plainly(case, child.path, found) for child in case.tree.children(path)]
    pue = float(node.pue)
    untold_w = 0.0
    for line in case.lines:
        if line.node == path:
            plain.estimated.add(line.sum(), pue)
            plain.mining.add(line.sum(), pue)
    for child in below:
        plain.estimated.add(child.estimated, pue)
        plain.mining.add(child.mining, pue)
        plain.ai_w += child.ai_w
        plain.auxiliary_w += child.auxiliary_w
        plain.ai_known &= child.ai_known
        # What a meter below sees and nobody can tell mining from AI of.
        untold_w += child.total.value - child.mining.value - child.ai_w - child.auxiliary_w
    for load in node.ai_loads:
        plain.ai_w += case.ai_w.get(load.name, load.assumed_w)
        plain.ai_known &= load.name in case.ai_w
    plain.auxiliary_w += node.auxiliary_w
    other_w = plain.ai_w + plain.auxiliary_w
    if path in case.meters:
        metered_w = case.meters[path]
        error: dict[tuple[str, ...], float] = {("meter", path): metered_w * METER_SIGMA}
        plain.total = Sum(metered_w, dict(error))
        if plain.ai_known:
            plain.mining = Sum(max(0.0, metered_w - other_w), dict(error))
            plain.residual = Sum(metered_w - other_w, dict(error))
            plain.residual.add(plain.estimated, -1.0)
    else:
        plain.total.add(plain.mining)
        plain.total.value += other_w + untold_w
    found[path] = plain
    return plain


def seen(case: Case) -> dict[str, NodePower]:
    estimator = Estimator(case.tree, 0.0)
    # Twice: a line's rigs are counted once it is there, and hold for what comes then.
    estimator.add({NodeKey(0, line.node, line.rating): line.work for line in case.lines}, 1.0)
    estimator.note_rigs(
        RigGroup(line.node, line.rating, line.rigs, 0, line.w) for line in case.lines
    )
    estimator.add({NodeKey(0, line.node, line.rating): line.work for line in case.lines}, NOW_S + 5)

    def meter_of(name: str) -> MeterState | None:
        if name not in case.meters:
            return None
        power_w = case.meters[name]
        return MeterState(
            name, Quality.GOOD, power_w=power_w, at_s=NOW_S, relative_sigma=METER_SIGMA
        )

    return believe(
        case.tree,
        estimator,
        meter_of,
        lambda load: case.ai_w.get(load.name),
        Calibrator(),
        NOW_S + 5,
    )


def alike(seen: Uncertain, plain: Sum) -> None:
    scale = max(1.0, abs(plain.value), plain.sigma)
    assert seen.value == pytest.approx(plain.value, abs=1e-6 * scale)
    assert seen.sigma == pytest.approx(plain.sigma, abs=1e-6 * scale)


@given(cases())
def test_any_mix_of_metered_and_unmetered_nodes_adds_up(case: Case) -> None:
    plain: dict[str, Plain] = {}
    plainly(case, PROGRAMME, plain)
    for path, power in seen(case).items():
        expected = plain[path]
        assert power.estimated_w.value == pytest.approx(expected.estimated.value)
        assert power.mining_w.value == pytest.approx(expected.mining.value)
        assert power.total_w.value == pytest.approx(expected.total.value)
        assert (power.residual_w is None) == (expected.residual is None)
        assert power.ai_known == expected.ai_known
        assert (power.ai_w, power.auxiliary_w) == pytest.approx(
            (expected.ai_w, expected.auxiliary_w)
        )


@given(cases())
def test_no_error_is_counted_twice_or_forgotten(case: Case) -> None:
    plain: dict[str, Plain] = {}
    plainly(case, PROGRAMME, plain)
    for path, power in seen(case).items():
        alike(power.estimated_w, plain[path].estimated)
        alike(power.mining_w, plain[path].mining)
        if power.residual_w is not None:
            alike(power.residual_w, plain[path].residual or Sum())
