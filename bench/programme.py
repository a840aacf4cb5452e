"""How far the pool's figures are from the truth of a simulated programme, over many seeds.

    python -m bench.programme [--seeds 200] [--days 3] [--config configs/programme-2000mw.toml]

Energy over a day: without meters, by work and nameplates, whether the truth is in the 95 %
interval, for several truths; with feeder meters of class 0.5 and the site's meter held out. The
rest are whole runs of the pool's own parts: when an overrun shows, and how fast it all goes.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import cos, tau
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from poolserver.config import Config, load_config
from poolserver.config.simulation import EventConfig, SimulationConfig
from poolserver.sim.programme.command import simulate_programme
from poolserver.sim.programme.overruns import Overrun
from poolserver.sim.programme.report import EnergyBooks, EnergyRow
from poolserver.sim.programme.run import Run
from poolserver.sim.programme.watched import WatchedRigs

LONG_TICK_S = 300.0
"""Where only energy counts: the world has no memory that is shorter."""
BIAS_PERCENT = 7.0
CALM = {
    "failures_per_year": 0.0,
    "restarts_per_day": 0.0,
    "heat_percent": 0.0,
    "pue_swing_percent": 0.0,
}


def changed(config: Config, fleets: Mapping[str, float | None], **settings: object) -> Config:
    """The config with other settings of its simulation, and of all its fleets."""
    simulation: SimulationConfig = config.simulation
    changed_fleets = tuple(msgspec.structs.replace(each, **fleets) for each in simulation.fleets)
    return msgspec.structs.replace(
        config,
        simulation=msgspec.structs.replace(simulation, fleets=changed_fleets, **settings),
    )


def biased(config: Config, model: str, bias_percent: float) -> Config:
    """The config with one model off by so much, everywhere."""
    fleets = tuple(
        msgspec.structs.replace(each, bias_percent=bias_percent) if each.model == model else each
        for each in config.simulation.fleets
    )
    simulation = msgspec.structs.replace(config.simulation, fleets=fleets)
    return msgspec.structs.replace(config, simulation=simulation)


def energies(config: Config, seed: int) -> list[EnergyRow]:
    """Of a day, without the pool's other parts."""
    run = Run(config, seed, 24.0, tick_s=LONG_TICK_S)
    books = EnergyBooks(run)
    for tick in run.ticks():
        books.take(tick)
    return list(books.rows())


@dataclass(frozen=True, slots=True)
class Truth:
    """A way that the truth may be."""

    name: str
    config: Config


def truths(config: Config) -> Iterator[Truth]:
    """From what the error model says to what breaks it."""
    seen_all = {"elsewhere_percent": 0.0, "idle_percent": 0.0}
    calm = changed(config, seen_all, **CALM)
    yield Truth("nameplates as drawn (4 % a model, 2.5 % all, 4 % a site)", calm)
    yield Truth("and failures, restarts, heat, idle rigs", config)
    yield Truth(f"one model (S21) {BIAS_PERCENT:g} % off", biased(config, "Antminer S21", 7.0))
    for bias in (BIAS_PERCENT, -BIAS_PERCENT):
        alone = changed(config, {"bias_percent": bias}, site_sigma_percent=0.0)
        yield Truth(f"every model {bias:+g} % off, and nothing else", alone)
        both = changed(config, {"bias_percent": bias})
        yield Truth(f"every model {bias:+g} % off, and each site as drawn", both)


def without_meters(config: Config, seeds: int) -> None:
    print(f"\nmining energy of a day without meters, {seeds} seeds: truth in the 95 % interval")
    print(f"{'truth':52} {'sites':>8} {'programme':>10} {'mean off':>9} {'worst':>7}")
    for truth in truths(config):
        rows = [
            row
            for seed in range(seeds)
            for row in energies(truth.config, seed)
            if row.how == "mining, by shares"
        ]
        sites = [row for row in rows if row.node != "/"]
        whole = [row for row in rows if row.node == "/"]
        off = [row.error_percent for row in sites]
        print(
            f"{truth.name:52} {_inside(sites):7.1%} {_inside(whole):9.1%} "
            f"{np.mean(off):+8.2f}% {max(map(abs, off)):6.1f}%"
        )


def with_feeder_meters(config: Config, seeds: int) -> None:
    print(f"\nall energy of a site's day, site meter held out, feeders' class 0.5, {seeds} seeds")
    print(f"{'true PUE':30} {'rms':>7} {'99 %':>7} {'worst':>7} {'within 0.5 %':>13}")
    for name, settings in (
        ("as configured", {"pue_swing_percent": 0.0}),
        ("swings by 0.2 % with the heat", {}),
        ("0.5 % above", {"pue_bias_percent": 0.5}),
    ):
        off = np.array(
            [
                row.error_percent
                for seed in range(seeds)
                for row in energies(changed(config, {}, **settings), seed)
                if row.how == "all, by meters below" and row.node != "/"
            ]
        )
        print(
            f"{name:30} {np.sqrt(np.mean(off**2)):6.3f}% {np.quantile(abs(off), 0.99):6.3f}% "
            f"{abs(off).max():6.3f}% {np.mean(abs(off) <= 0.5):12.1%}"
        )


STEPS = (
    EventConfig(at_h=0.5, kind="ai", name="AI hall", mw=200, minutes=20),
    EventConfig(at_h=1.2, kind="rigs_off", node="*", percent=20),
    EventConfig(at_h=1.6, kind="ai", name="AI hall", mw=130),
    EventConfig(at_h=2.0, kind="rigs_on", node="*"),
)


def overruns(config: Config, days: int) -> None:
    print(f"\nuntil an overrun shows: AI +200 MW at once, rigs coming back, {days} seeds")
    at_once = [
        msgspec.structs.replace(each, ramp_mw_per_s=1000.0) for each in config.simulation.ai_halls
    ]
    steps = changed(config, {}, ai_halls=tuple(at_once))
    of_mining = [each.name for each in config.meters if not each.name.endswith("-ai")]
    for name, hold_out in (("with meters", []), ("without meters but AI's", of_mining)):
        found: dict[str, list[Overrun]] = {}
        false_s, times = 0.0, []
        for seed in range(days):
            jittered = changed(steps, {}, events=_jittered(seed))
            report, _ = simulate_programme(jittered, 2.5, seed, hold_out)
            times.append(report.times_real)
            for overrun in report.overruns:
                found.setdefault(overrun.node, []).append(overrun)
            false_s += report.false_s.get("the controller", 0.0)
        print(f"{name}: {median(times):,.0f} times real time; shown and not true {false_s:.0f} s")
        for node, overruns_of in sorted(found.items()):
            for way in ("meters", "the controller"):
                shown = [each.shown_s[way] for each in overruns_of if way in each.shown_s]
                print(
                    f"  {node:12} {len(overruns_of):3} overruns, by {way:15} {len(shown):3} shown, "
                    f"after (s): {', '.join(f'{each:.0f}' for each in sorted(shown))}"
                )


def dropouts(config: Config, seeds: int) -> None:
    print(f"\nmeters that are silent for 10 minutes 12 times a day, {seeds} seeds")
    often = changed(config, {}, meter_outages_per_day=12.0)
    gaps, silent_h = [], 0.0
    for seed in range(seeds):
        run = Run(often, seed, 24.0, tick_s=30.0)
        books = EnergyBooks(run)
        for tick in run.ticks():
            books.take(tick)
        gaps += [abs(gap_j) / 3.6e6 for gap_j in books.counter_gaps_j().values()]
        silent_h += sum(meter.silent_s for meter in run.meters.values()) / 3600
    print(
        f"{len(gaps)} meter-days, {silent_h:.0f} hours of silence: energy lost or invented "
        f"by a meter's day at most {max(gaps):.2f} kWh (a counter's step is 1)"
    )


def silent_rigs(config: Config, days: int) -> None:
    print(f"\nsilent rigs, 1,000 rigs one by one, {days} days")
    print(f"{'':34} {'rig-days':>9} {'false':>6} {'hung':>6} {'missed':>7} {'found after':>22}")
    for name, settings in (
        ("as configured", {}),
        ("100 failures a year, 2 h each", {"failures_per_year": 100.0, "repair_h": 2.0}),
        ("and 6 shares a minute", {"failures_per_year": 100.0, "repair_h": 2.0}),
    ):
        per_minute = 6.0 if "6 shares" in name else 12.0
        simulation = changed(config, {}, **settings).simulation
        random = np.random.default_rng([len(name), 4])
        rigs = WatchedRigs(1000, per_minute, simulation, random, 0.0)
        for tick in range(days * 17_280):
            warmth = cos(tau * (tick * 5 / 3600 - 16) / 24)
            rigs.step(tick * 5.0, tick * 5.0 + 5.0, warmth)
        found = rigs.figures.found_s
        print(
            f"{name:34} {rigs.figures.rig_days:9.0f} {rigs.figures.false_alarms:6} "
            f"{len(found) + rigs.figures.missed:6} {rigs.figures.missed:7} "
            f"{median(found):8.0f} s, worst {max(found):.0f} s"
        )


def _jittered(seed: int) -> tuple[EventConfig, ...]:
    """At any moment of a tick."""
    random = np.random.default_rng([seed, 9])
    return tuple(
        msgspec.structs.replace(each, at_h=each.at_h + float(random.uniform(0, 60)) / 3600)
        for each in STEPS
    )


def _inside(rows: list[EnergyRow]) -> float:
    return float(np.mean([row.is_inside for row in rows]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--config", type=Path, default=Path("configs/programme-2000mw.toml"))
    options = parser.parse_args()
    config = load_config(options.config)
    without_meters(config, options.seeds)
    with_feeder_meters(config, options.seeds)
    dropouts(config, max(1, options.seeds // 40))
    silent_rigs(config, options.days)
    overruns(config, options.days)


if __name__ == "__main__":
    main()
