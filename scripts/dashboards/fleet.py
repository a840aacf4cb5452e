"""All sites: is all well, what hashes and draws where, what was found."""

from dataclasses import replace

from scripts.dashboards.model import RUNBOOK_LINK, Dashboard, Row
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    WATCH,
    Column,
    Panel,
    Query,
    band,
    graph,
    stat,
    table,
)
from scripts.dashboards.words import (
    HEADROOM,
    INSTANCE,
    LOST,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    REJECTED,
    SITE,
    SITE_NODES,
    TEMPLATE_AGE,
    alerts_now,
    at_site,
    by_site,
    of,
)

_FIRING = 'ALERTS{job="poolserver",instance=~"$instance",alertstate="firing"}'
_POOL_UP = 'min(up{job="poolserver",instance=~"$instance"})'


def _alerts() -> Panel:
    """What fires now, each line with the way to its runbook."""
    shown = "sum by (alertname, code, severity, site, node, process, instance)"
    panel = table(
        "Alerts that fire",
        "Empty where all is well. A click on the code leads to the runbook.",
        [Column("firing", f"{shown} ({_FIRING})")],
        height=6,
    )
    link = {"id": "links", "value": [RUNBOOK_LINK]}
    override = {"matcher": {"id": "byName", "options": "code"}, "properties": [link]}
    return replace(panel, overrides=(*panel.overrides, override))


def _sites() -> Panel:
    def hashrate(figure: str) -> str:
        return f"sum by (site) ({at_site(figure, window='1h')})"

    judged = f"sum by (site) (increase({at_site('shares_total')}[1h]))"
    lost = f"sum by (site) (increase({at_site('shares_total', LOST)}[1h]))"
    return table(
        "Sites",
        "What each site hashes (one hour, with its standard error), draws and may draw.",
        [
            Column("hashrate", hashrate("site_hashrate_hashes_per_second"), "Hs", decimals=2),
            Column("± hashrate", hashrate("site_hashrate_sigma_hashes_per_second"), "Hs"),
            Column("power", by_site("power_watts"), "watt", decimals=2),
            Column("± power", by_site("power_sigma_watts"), "watt"),
            Column("may draw", by_site("power_limit_watts"), "watt", decimals=2),
            Column("headroom", by_site("power_headroom_watts"), "watt", HEADROOM),
            Column("J/TH", by_site("power_j_per_th"), "none", decimals=1),
            Column("rigs", f"sum by (site) ({at_site('site_rigs')})", "none"),
            Column("silent", by_site("power_silent_rigs"), "none", NONE_IS_BETTER),
            Column(
                "lost shares",
                f"({lost} or 0 * {judged}) / {judged}",
                "percentunit",
                REJECTED,
                decimals=2,
            ),
        ],
    )


def _well() -> Row:
    site_headroom = of("power_headroom_watts", SITE_NODES)
    return Row(
        "Is all well?",
        (
            stat(
                "Pools",
                _POOL_UP,
                "Whether every pool that is looked at answers on /metrics.",
                steps=((None, BAD), (1, GOOD)),
                texts={"0": "down", "1": "up"},
                width=3,
            ),
            alerts_now("page", "Urgent", NONE_IS_GOOD),
            alerts_now("ticket", "For working hours", NONE_IS_BETTER),
            stat(
                "Hashrate",
                f"sum({of('pool_hashrate_hashes_per_second', window='1h')})",
                "Proven by shares, over an hour, all sites.",
                unit="Hs",
                width=3,
            ),
            stat(
                "Power",
                f"sum({of('power_watts', node='/')})",
                "What all sites are believed to draw, AI load and all.",
                unit="watt",
                width=3,
            ),
            stat(
                "Least headroom of a site",
                f"min({site_headroom})",
                "What the site that is nearest to its limit may draw more. Below 0 it is over it.",
                unit="watt",
                steps=HEADROOM,
                width=3,
            ),
            stat(
                "Work confirmed",
                f"max({of('template_age_seconds')})",
                "How long ago a node confirmed what rigs work on. An alert tells of 60 s.",
                unit="s",
                steps=TEMPLATE_AGE,
                width=3,
            ),
            stat(
                "Rigs",
                f"sum({of('site_rigs')})",
                "Connected and authorized.",
                unit="none",
                width=3,
            ),
            _alerts(),
        ),
    )


def _over_time() -> Row:
    five = 'window="5m"'
    rate, sigma = "site_hashrate_hashes_per_second", "site_hashrate_sigma_hashes_per_second"
    hashrate, error = at_site(rate, five), at_site(sigma, five)
    total = f"sum({hashrate})"
    # Sites' errors are independent: their squares add up.
    error = f"sqrt(sum(({error}) ^ 2))"
    power, limit = of("power_watts", SITE_NODES), of("power_limit_watts", SITE_NODES)
    lost = at_site("shares_total", LOST)
    return Row(
        "Over time",
        (
            band(
                graph(
                    "Hashrate",
                    "Five minutes' work of all sites chosen, and two standard errors about it.",
                    Query(total, "all"),
                    Query(f"{total} - 2 * {error}", "low"),
                    Query(f"{total} + 2 * {error}", "high"),
                    Query(hashrate, "{{site}}"),
                    unit="Hs",
                ),
                "low",
                "high",
            ),
            graph(
                "Power, and what may be drawn",
                "Of each site, all load.",
                Query(power, "{{node}}"),
                Query(limit, "{{node}} may draw"),
                unit="watt",
            ),
            graph(
                "Lost shares",
                "Part of the shares of a site that were stale or rejected.",
                Query(
                    f"sum by (site, result) (rate({lost}[5m])) / ignoring (result) group_left ()"
                    f" sum by (site) (rate({at_site('shares_total')}[5m]))",
                    "{{site}} {{result}}",
                ),
                unit="percentunit",
                steps=REJECTED,
            ),
            graph(
                "Rigs",
                "Connected and authorized.",
                Query(f"sum by (site) ({at_site('site_rigs')})", "{{site}}"),
                unit="none",
                stacked=True,
            ),
        ),
    )


def _blocks() -> Row:
    found = of("blocks_total", state="found")
    lost = of("blocks_in_state", 'state=~"orphaned|stale|rejected"')
    return Row(
        "Blocks",
        (
            stat(
                "Found in 30 days",
                f"sum(increase({found}[30d]))",
                "Our blocks, whatever became of them.",
                unit="none",
                decimals=0,
                width=4,
            ),
            stat(
                "Expected in 30 days",
                f"sum(increase({of('expected_blocks_total')}[30d]))",
                "What the accepted work was to find on average.",
                unit="none",
                decimals=2,
                width=4,
            ),
            stat(
                "Effort of this round",
                f"max({of('round_effort')})",
                "At 1 a block is due; one round in twenty comes to 3.",
                unit="none",
                decimals=2,
                steps=((None, GOOD), (3, WATCH), (6, BAD)),
                width=4,
            ),
            stat(
                "Luck",
                f"avg({of('luck')})",
                "Blocks that pay, over those that the work was to find: the pool's whole life.",
                unit="percentunit",
                width=4,
            ),
            stat(
                "Lost blocks",
                f"sum({lost})",
                "Orphaned, stale or rejected, over the pool's whole life.",
                unit="none",
                steps=NONE_IS_BETTER,
                width=4,
            ),
            stat(
                "On their way",
                f"sum({of('blocks_unsettled')})",
                "Found, and in no node's chain yet.",
                unit="none",
                steps=NONE_IS_GOOD,
                width=4,
            ),
        ),
    )


FLEET = Dashboard(
    "fleet",
    "fleet",
    "All sites at a glance: is all well, what hashes and draws where, what was found.",
    (INSTANCE, SITE),
    (_well(), Row("Sites", (_sites(),)), _over_time(), _blocks()),
)
