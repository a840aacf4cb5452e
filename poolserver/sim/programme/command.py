"""What ``poolserver simulate programme`` does."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from poolserver.config import Config
from poolserver.sim.programme.pool import Pool
from poolserver.sim.programme.record import Recorder
from poolserver.sim.programme.report import EnergyBooks, Report, not_believed
from poolserver.sim.programme.run import Run
from poolserver.sim.programme.watched import WatchedRigs


def simulate_programme(
    config: Config,
    hours: float,
    seed: int,
    hold_out: Sequence[str] = (),
    node: str = "/",
    watched: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Report, Recorder]:
    """Run the world and the pool side by side; what came of it, and the day of a node.

    ``hold_out``: patterns of meters that the pool is not told of; ``watched``: how many rigs are
    simulated one by one, for the watch for silent ones; ``on_progress`` is told how many seconds
    are simulated, and of how many.

    Raises:
        ValueError: nothing is simulated, or settings name something that is not there.
        ModelError: a model is not known.
    """
    if not config.simulation.fleets:
        raise ValueError("the configuration has no [[simulation.fleets]]")
    began = time.process_time()
    run = Run(config, seed, hours, hold_out=hold_out)
    world = run.world
    if node not in world.tree:
        raise ValueError(f"no node is named {node}")
    pool = Pool(config, world.fleets.cohorts, world.begin_s)
    books, recorder = EnergyBooks(run), Recorder(run, node)
    shares_per_minute = config.stratum.target_shares_per_minute
    random = np.random.default_rng([seed, 4])
    rigs = WatchedRigs(watched, shares_per_minute, config.simulation, random, world.begin_s)
    for tick in run.ticks():
        if watched:
            rigs.step(tick.at_s - run.tick_s, tick.at_s, float(world.warmth()[0]))
        books.take(tick)
        recorder.take(tick, pool.take(tick))
        if on_progress is not None:
            on_progress(round(tick.at_s - world.begin_s), round(hours * 3600))
    report = Report(
        seed=seed,
        begin_s=world.begin_s,
        hours=hours,
        tick_s=run.tick_s,
        rigs=int(world.fleets.rigs.sum()),
        nodes=len(world.tree),
        meters=len(run.meters),
        took_s=time.process_time() - began,
        energies=list(books.rows()),
        overruns=list(recorder.overruns.clear()),
        false_s=recorder.overruns.false_s,
        told=recorder.told,
        silence=rigs.figures,
        readings=sum(pool.meters.counts.values()),
        not_believed=not_believed(pool.meters),
        books_off_j=max(map(abs, pool.books_off_j().values()), default=0),
        silent_meters_s=sum(meter.silent_s for meter in run.meters.values()),
    )
    return report, recorder
