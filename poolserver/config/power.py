"""The settings on power: the programme that sites are in, and how power is watched."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc
from poolserver.config.values import (
    Megawatts,
)


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
    budget_words: Annotated[
        Literal["any", "declared"],
        doc(
            "Whose limits are taken while the pool runs: of everyone who has the right to speak, "
            "or of the `[[budget_sources]]` alone."
        ),
    ] = "any"
    interval_s: Annotated[
        int,
        Meta(ge=900, le=86_400),
        doc(
            "The intervals that energy is [accounted for](energy.md) in: quarters of an hour, or "
            "as many together as divide a day."
        ),
    ] = 900
