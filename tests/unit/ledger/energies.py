"""A small power tree and its work, for tests of the energy ledger."""

from collections.abc import Mapping
from fractions import Fraction

from poolserver.ledger.delta import NodeWork
from poolserver.ledger.energy_close import Interval
from poolserver.ledger.energy_facts import AiFact, Facts, MeterFact, NodeFact
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree

BEGIN = 1_800_000_000
END = BEGIN + 900
SPAN_MS = 900_000
J_PER_TH = Fraction(20)
RATING = Rating(J_PER_TH, RatingSource.OPERATOR, "Antminer S21")
TH = 10**12


def tree() -> PowerTree:
    """A site with a metered feeder, an AI hall and a feeder without a meter, at PUE 1.05."""
    return PowerTree(
        [
            PowerNode(PROGRAMME, "programme"),
            PowerNode("Hall", "site", pue=Fraction("1.05"), meter="main"),
            PowerNode("Hall/F1", "feeder", meter="f1", auxiliary_w=2),
            PowerNode("Hall/F2", "feeder", ai_loads=(AiLoad("ai", "ai-meter", 500, "Hall"),)),
            PowerNode("Hall/F1/r1", "rack", is_configured=False),
        ]
    )


def work(hashes_th: int, accepted_th: int | None = None) -> NodeWork:
    """Of one share."""
    hashes = hashes_th * TH
    return NodeWork(hashes, hashes**2, TH * (hashes_th if accepted_th is None else accepted_th))


def interval(
    nodes: Mapping[str, NodeWork] | None = None,
    meters: Mapping[str, MeterFact] | None = None,
    ai: AiFact | None = None,
    node_facts: Mapping[str, NodeFact] | None = None,
) -> Interval:
    return Interval(
        BEGIN,
        END,
        Facts(
            {(BEGIN, path): fact for path, fact in (node_facts or {}).items()},
            {} if ai is None else {(BEGIN, "Hall", "ai"): ai},
            {(BEGIN, name): fact for name, fact in (meters or {}).items()},
        ),
        {(path, RATING): each for path, each in (nodes or {}).items()},
    )
