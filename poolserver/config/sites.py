"""The settings of a site: whose rigs stand there, its power, and the tree that it flows through."""

from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc, exact
from poolserver.config.values import (
    Account,
    IpNetwork,
    Megawatts,
    PowerNodeName,
    TimeZone,
    WorkerPattern,
)


class AiLoadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Load at a site that has first call on its power: an AI hall. Mining gives way to it."""

    name: Annotated[PowerNodeName, doc("Shown in pages, metrics and reports.")]
    under: Annotated[
        PowerNodeName | None,
        doc("The node of this site that it hangs at.", default="the site itself"),
    ] = None
    meter: Annotated[
        str | None, doc("The `[[meters]]` that sees it. A signal may tell its power too.")
    ] = None
    assumed_mw: Annotated[
        Megawatts,
        doc(
            "What it is taken to draw while neither meter nor signal tells: what it may draw at "
            "the most, for mining must not take it away."
        ),
    ]

    @property
    def assumed_w(self) -> int:
        return int(self.assumed_mw * 1_000_000)


class PowerNodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree that a site's power flows through. Its limit holds for all below it.
    Rigs are where the first of these rules that fits says: `rigs`, then `workers`, then
    `addresses`; of several nodes the deepest one.
    """

    name: Annotated[PowerNodeName, doc("Its name, another one for each node of the site.")]
    under: Annotated[
        PowerNodeName | None,
        doc("The node of this site above it, which stands earlier.", default="the site itself"),
    ] = None
    kind: Annotated[
        Literal["feeder", "transformer", "container", "rack", "other"], doc("What it is.")
    ] = "other"
    limit_mw: Annotated[
        Megawatts | None, doc("What it can carry, of all load below it.", default="no limit")
    ] = None
    mining_limit_mw: Annotated[
        Megawatts | None,
        doc("What mining below it may draw, whatever the AI load does.", default="no limit"),
    ] = None
    meter: Annotated[
        str | None, doc("The `[[meters]]` that sees all load below it.", default="none")
    ] = None
    auxiliary_kw: Annotated[
        float,
        Meta(ge=0, le=10**9),
        doc("Constant load that its meter sees and that is neither rigs nor AI, in kW."),
    ] = 0.0
    rigs: Annotated[
        tuple[str, ...],
        doc("Usernames of rigs that are here, whole, as `account.worker`.", default="none"),
    ] = ()
    workers: Annotated[
        tuple[str, ...],
        doc(
            "Patterns of worker names (after `account.`) that are here: `*` is any text, `?` one "
            "character, `[0-9]` one of these.",
            default="none",
        ),
    ] = ()
    addresses: Annotated[
        tuple[IpNetwork, ...], doc("Networks whose rigs are here.", default="none")
    ] = ()


class SiteConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A place with rigs and a power budget. Its energy is worked out in exact numbers."""

    name: Annotated[PowerNodeName, doc("Shown in pages, metrics and reports.")]
    accounts: Annotated[
        tuple[Account, ...],
        Meta(min_length=1),
        doc(
            "Whose work is the site's: the part of `account.worker` before the first dot. At "
            "most 63 bytes, since some firmware cuts a longer username."
        ),
    ]
    budget_mw: Annotated[Megawatts, doc("The power that the site may draw, in MW.")]
    pue: Annotated[
        Fraction,
        exact(ge=1, le=10),
        doc(
            "Power usage effectiveness: the site's power over that of its rigs, so never below "
            "1. 1.05 is a hall that is cooled by air."
        ),
    ] = Fraction(105, 100)
    default_j_per_th: Annotated[
        Fraction,
        exact(gt=0, le=10**9),
        doc(
            "Efficiency, in J/TH, of rigs that nothing better is known of. 17.5 is an Antminer "
            "S21. (A laptop's processor is near 10^7.)"
        ),
    ] = Fraction(175, 10)
    work_scale: Annotated[
        int,
        Meta(ge=1, le=10**12),
        doc(
            "How many hashes each hash of this site counts for. For demonstrations: one "
            "processor then stands for a whole site. Refused on main and testnet4, and on a "
            "signet whose challenge is not `51`."
        ),
    ] = 1
    time_zone: Annotated[
        TimeZone,
        doc("What schedules are written in and reports are shown in, as `Asia/Karachi`."),
    ] = "UTC"
    meter: Annotated[
        str | None, doc("The `[[meters]]` that sees all load of the site.", default="none")
    ] = None
    worker_pattern: Annotated[
        WorkerPattern | None,
        doc(
            "How worker names (after `account.`) tell a rig's place, as "
            '`"{site}-{container}-{rack}-{slot}"`: containers and racks that are not among '
            "`nodes` are then added to the tree as their rigs come.",
            default="names tell nothing",
        ),
    ] = None
    nodes: tuple[PowerNodeConfig, ...] = ()
    ai_loads: tuple[AiLoadConfig, ...] = ()

    @property
    def budget_w(self) -> int:
        """The budget in watts."""
        return int(self.budget_mw * 1_000_000)
