"""What ``poolserver simulate`` does: so many rigs of a model, for so many seconds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from poolserver.power.models import load_models
from poolserver.sim.fleet import Nameplate, Tolerance, build_fleet
from poolserver.sim.miner import DEFAULT_PASSWORD, PoolAddress
from poolserver.sim.site import SimulatedSite, SiteReport

PROGRESS_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """The options of the command.

    A rig's nameplate is that of ``model``; ``th_s`` and ``watts`` replace its figures.
    Without a model both must be there.
    """

    host: str
    port: int
    user: str = "demo"
    """The account: rigs log in as ``user.site-c01-r01-s001``."""
    password: str = DEFAULT_PASSWORD
    site: str = "hall"
    rigs: int = 50
    model: str | None = "S21"
    th_s: float | None = None
    watts: float | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    work_scale: int = 1
    """How many hashes of the rigs one hash of the CPU stands for."""
    pue: float = 1.0
    seconds: float | None = None
    """None: until cancelled."""
    seed: int = 1
    start_spread_s: float = 1.0
    threads: int = 1
    obey_reconnect: bool = False

    def nameplate(self) -> Nameplate:
        """The nameplate that these options come to.

        Raises:
            ValueError: neither a model nor both figures are given.
            poolserver.power.models.UnknownModel: no model has that name.
            poolserver.power.models.AmbiguousModel: several models have.
        """
        if self.th_s is not None and self.watts is not None:
            return Nameplate(self.th_s, self.watts)
        if self.model is None:
            raise ValueError("without a model a rig needs both its TH/s and its watts")
        model = load_models().find(self.model)
        return Nameplate(
            float(model.hashrate_th_s) if self.th_s is None else self.th_s,
            float(model.power_w) if self.watts is None else self.watts,
        )


def build_site(options: SimulationOptions) -> SimulatedSite:
    """The site that the options describe, not started yet.

    Raises:
        ValueError: an option is out of range; and what ``SimulationOptions.nameplate`` raises.
    """
    fleet = build_fleet(
        account=options.user,
        site=options.site,
        count=options.rigs,
        nameplate=options.nameplate(),
        tolerance=options.tolerance,
        seed=options.seed,
    )
    return SimulatedSite(
        fleet,
        PoolAddress(options.host, options.port, options.password, options.obey_reconnect),
        work_scale=options.work_scale,
        pue=options.pue,
        seed=options.seed,
        start_spread_s=options.start_spread_s,
        threads=options.threads,
    )


async def run_simulation(
    options: SimulationOptions, on_progress: Callable[[SiteReport], None]
) -> SiteReport:
    """Mine for ``options.seconds``, telling how it goes every second; the last report.

    Raises:
        ValueError: see ``build_site``; nothing has been sent then.
    """
    async with build_site(options) as site:
        loop = asyncio.get_running_loop()
        end = loop.time() + (inf if options.seconds is None else options.seconds)
        while (left_s := end - loop.time()) > 0:
            await site.wait(min(PROGRESS_INTERVAL_S, left_s))
            on_progress(site.report())
        return site.report()
