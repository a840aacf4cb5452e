"""The settings of `poolserver simulate programme`: what is true of the sites, which a pool
cannot know. A pool that runs takes no notice of them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc, of_kind, shown, text
from poolserver.config.values import Megawatts, PowerNodeName


def _moment(raw: object) -> datetime:
    try:
        moment: datetime | None = datetime.fromisoformat(text(raw))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f'must be like "2026-07-15T00:00:00+05:00", is {shown(raw)}')
    return moment


Moment = Annotated[
    datetime, of_kind("date and time with its offset, like `2026-07-15T00:00:00+05:00`", _moment)
]
Percent = Annotated[float, Meta(ge=0, le=100)]
SignedPercent = Annotated[float, Meta(ge=-50, le=50)]
PathPattern = Annotated[str, of_kind("path of a node, as `Sahiwal/F1`; `*` is any name", text)]


class FleetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Rigs of one model, as many at each of some nodes."""

    node: Annotated[PathPattern, doc("Where they are.")]
    model: Annotated[str, doc("Their model, by its name in the pool's list.")]
    rigs: Annotated[int, Meta(ge=1, le=10_000_000), doc("How many, at each of the nodes.")]
    rated_by: Annotated[
        Literal["telemetry", "operator", "hint", "name rule", "identity", "site default"],
        doc("How the pool knows their efficiency. It takes the nameplate's."),
    ] = "identity"
    bias_percent: Annotated[
        SignedPercent | None,
        doc(
            "How far the true J/TH of this model lies above its nameplate.",
            default="drawn for each model, see `model_sigma_percent`, `nameplate_sigma_percent`",
        ),
    ] = None
    off_percent: Annotated[Percent, doc("So many are switched off when the day begins.")] = 0.0
    elsewhere_percent: Annotated[
        Percent, doc("So many mine elsewhere: they draw power, and the pool sees nothing of them.")
    ] = 0.0
    idle_percent: Annotated[
        Percent, doc("So many are on and do not hash: they draw `idle_percent_of_power`.")
    ] = 0.0


class AiHallConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an AI load of a site really draws: a base, and jobs that come and go."""

    site: Annotated[PowerNodeName, doc("Its site.")]
    name: Annotated[PowerNodeName, doc("Its name in the site's `ai_loads`.")]
    base_mw: Annotated[Megawatts, doc("What it draws without any job.")]
    job_mw: Annotated[Megawatts, doc("What a job draws.")]
    jobs_per_hour: Annotated[float, Meta(ge=0, le=3600), doc("How many begin.")] = 2.0
    job_hours: Annotated[float, Meta(gt=0, le=1000), doc("How long one lasts on average.")] = 2.0
    ramp_mw_per_s: Annotated[float, Meta(gt=0, le=10**6), doc("How fast its load changes.")] = 2.0


class EventConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens at a moment."""

    at_h: Annotated[float, Meta(ge=0, le=10**5), doc("When, in hours from the beginning.")]
    kind: Annotated[
        Literal["rigs_off", "rigs_on", "rigs_fail", "rigs_leave", "ai", "meter_out", "meter_kw"],
        doc(
            '"rigs_off", "rigs_on": switched off, and on again (which is a cold start). '
            '"rigs_fail": they draw idle power and hash no more. "rigs_leave": they mine '
            'elsewhere. "ai": an AI hall takes on more load. "meter_out": a meter says nothing. '
            '"meter_kw": it tells kilowatts for watts.'
        ),
    ]
    node: Annotated[PathPattern | None, doc("Of rigs: where.", default="none")] = None
    percent: Annotated[Percent, doc("Of rigs: how many of those there.")] = 100.0
    name: Annotated[str | None, doc("Of an AI load or a meter: its name.", default="none")] = None
    mw: Annotated[float, Meta(ge=-(10**6), le=10**6), doc("Of AI: how much more.")] = 0.0
    minutes: Annotated[
        float,
        Meta(ge=0, le=10**6),
        doc("Of AI and meters: for how long. 0 is for good."),
    ] = 0.0


class SimulationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of the sites in `poolserver simulate programme`, beside what the other sections
    let the pool know. A pool that runs takes no notice of it.
    """

    begin: Annotated[Moment, doc("The moment that it begins at.")] = datetime.fromisoformat(
        "2026-07-15T00:00:00+05:00"
    )
    hashrate_sigma_percent: Annotated[
        Percent, doc("How far rigs of one model differ in hashrate: one standard deviation.")
    ] = 1.0
    rig_sigma_percent: Annotated[Percent, doc("How far they differ in J/TH.")] = 3.0
    model_sigma_percent: Annotated[
        Percent,
        doc("How far a model's J/TH is from its nameplate: what `bias_percent` is drawn by."),
    ] = 4.0
    nameplate_sigma_percent: Annotated[
        Percent, doc("How far all nameplates are off together, in the same direction.")
    ] = 2.5
    site_sigma_percent: Annotated[
        Percent, doc("The same of what all rigs of a site have in common, whatever their model.")
    ] = 4.0
    heat_percent: Annotated[
        Percent,
        doc(
            "How much more J/TH than on average a rig takes at four in the afternoon, and how much "
            "less at four in the morning; its hashrate goes the other way by a quarter of that."
        ),
    ] = 1.5
    pue_bias_percent: Annotated[
        SignedPercent, doc("How far the true PUE lies above the configured one.")
    ] = 0.0
    pue_swing_percent: Annotated[Percent, doc("How far it swings around that with the heat.")] = 0.2
    failures_per_year: Annotated[
        float, Meta(ge=0, le=10**4), doc("How often a rig fails: half of them idle, half go dead.")
    ] = 2.0
    repair_h: Annotated[float, Meta(gt=0, le=10**5), doc("How long that lasts on average.")] = 24.0
    restarts_per_day: Annotated[
        float, Meta(ge=0, le=10**4), doc("How often a rig restarts by itself.")
    ] = 0.2
    start_s: Annotated[
        float, Meta(ge=0, le=3600), doc("How long a rig that starts does not hash.")
    ] = 180.0
    start_percent_of_power: Annotated[Percent, doc("What it draws meanwhile.")] = 40.0
    idle_percent_of_power: Annotated[Percent, doc("What a rig draws that is on and idle.")] = 8.0
    stale_percent: Annotated[Percent, doc("Shares that come too late for credit.")] = 0.2
    meter_noise_percent: Annotated[
        Percent, doc("How a meter's readings scatter, besides the error that its class allows it.")
    ] = 0.05
    meter_outages_per_day: Annotated[
        float, Meta(ge=0, le=1000), doc("How often a meter falls silent; its counter goes on.")
    ] = 0.5
    meter_outage_minutes: Annotated[
        float, Meta(gt=0, le=10**5), doc("For how long, on average.")
    ] = 10.0
    fleets: tuple[FleetConfig, ...] = ()
    ai_halls: tuple[AiHallConfig, ...] = ()
    events: tuple[EventConfig, ...] = ()
