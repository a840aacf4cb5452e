"""The settings on power: the tree below each site, what else hangs there, how it is watched."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc
from poolserver.config.values import (
    IpNetwork,
    Megawatts,
    PowerNodeName,
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


class ProgrammeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What all sites together are: an allotment of power that they share."""

    name: Annotated[str, doc("Shown in pages and reports.")] = "programme"
    limit_mw: Annotated[
        Megawatts | None, doc("What all sites together may draw.", default="no limit")
    ] = None


class PowerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How power is watched."""

    mode: Annotated[
        Literal["observe"],
        doc(
            '"observe": what would be done to keep each limit, and why, is logged and shown; '
            "nothing is done."
        ),
    ] = "observe"
    tick_s: Annotated[
        float, Meta(ge=1, le=60), doc("How often limits are held against what is drawn.")
    ] = 5.0
    interval_s: Annotated[
        int,
        Meta(ge=300, le=86_400),
        doc("The intervals that energy is accounted for in: a divisor of a day."),
    ] = 900
