"""The settings on metrics: of whom there are series."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc


class MetricsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What `/metrics` tells beside the [metrics](metrics.md) that are always there."""

    workers: Annotated[
        Literal["none", "top", "all"],
        doc(
            "Of which workers and accounts there are series, seven each. `all` of 100,000 workers "
            "are 70 MB a scrape, and as many series for Prometheus to keep: more memory there than "
            "here. Names are made up by whoever connects."
        ),
    ] = "none"
    top: Annotated[
        int,
        Meta(ge=1, le=100_000),
        doc(
            'With `workers = "top"`: of so many workers and so many accounts, those with most '
            "hashrate in the last hour."
        ),
    ] = 100
