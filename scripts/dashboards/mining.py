"""Shares, hashrates, connections, and blocks with what they pay."""

from scripts.dashboards.model import Dashboard, Row
from scripts.dashboards.panels import BAD, GOOD, WATCH, Query, band, graph, stat
from scripts.dashboards.words import (
    INSTANCE,
    LOST,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    REJECTED,
    SITE,
    at_site,
    of,
    quantiles,
    rate,
)

_SHARES = at_site("shares_total")
_LOST = at_site("shares_total", LOST)

_WELL = Row(
    "Is all well?",
    (
        stat(
            "Shares a second",
            f"sum(rate({at_site('shares_total', result='accepted')}[5m]))",
            "Accepted, over five minutes.",
            unit="none",
            decimals=1,
            width=4,
        ),
        stat(
            "Lost shares",
            f"(sum(rate({_LOST}[15m])) or vector(0)) / sum(rate({_SHARES}[15m]))",
            "Part of the shares that were stale or rejected, over a quarter of an hour.",
            unit="percentunit",
            decimals=2,
            steps=REJECTED,
            width=4,
        ),
        stat(
            "Pool at fault",
            f"max({of('pool_at_fault')})",
            "Whether so many rigs have rejects at once that the pool must be the cause.",
            steps=NONE_IS_GOOD,
            texts={"0": "no", "1": "yes"},
            width=4,
        ),
        stat(
            "Rigs with nothing but rejects",
            f"sum({of('rejecting_connections')})",
            "Connections whose shares are all rejected just now.",
            unit="none",
            steps=NONE_IS_BETTER,
            width=4,
        ),
        stat(
            "Blocks on their way",
            f"sum({of('blocks_unsettled')})",
            "Found, and in no node's chain yet.",
            unit="none",
            steps=NONE_IS_GOOD,
            width=4,
        ),
        stat(
            "Shares not written down",
            f"sum(increase({of('journal_dropped_shares_total')}[1h]))",
            "In the last hour: refused, since the journal could not be written.",
            unit="none",
            steps=NONE_IS_GOOD,
            width=4,
        ),
    ),
)


def _hashrate() -> Row:
    hour = 'window="1h"'
    figure = of("pool_hashrate_hashes_per_second", hour)
    sigma = of("pool_hashrate_sigma_hashes_per_second", hour)
    windows = of("pool_hashrate_hashes_per_second", 'window=~"5m|1h|1d"')
    return Row(
        "Hashrate",
        (
            band(
                graph(
                    "Of the pool",
                    "Over five minutes, an hour and a day; two standard errors about the hour's.",
                    Query(windows, "{{window}}"),
                    Query(f"sum({figure} - 2 * {sigma})", "low"),
                    Query(f"sum({figure} + 2 * {sigma})", "high"),
                    unit="Hs",
                ),
                "low",
                "high",
            ),
            graph(
                "Of the sites",
                "Over an hour.",
                Query(at_site("site_hashrate_hashes_per_second", hour), "{{site}}"),
                unit="Hs",
                stacked=True,
            ),
        ),
    )


_SHARE_ROW = Row(
    "Shares",
    (
        graph(
            "Shares by result",
            "A second.",
            Query(f"sum by (result) (rate({_SHARES}[$__rate_interval]))", "{{result}}"),
            unit="suffix: /s",
        ),
        graph(
            "Why shares are lost",
            "A second, by reason. docs/stratum.md says what each means.",
            Query(f"sum by (reason) (rate({_LOST}[$__rate_interval]))", "{{reason}}"),
            unit="suffix: /s",
        ),
        graph(
            "How long answers take",
            "From a share's bytes read to its answer handed to the socket.",
            *quantiles("share_latency_seconds"),
            unit="s",
        ),
        graph(
            "New work to rigs",
            "From the node's new tip to the last rig's notify written.",
            *quantiles("new_tip_to_rigs_seconds"),
            unit="s",
        ),
    ),
)

_CONNECTIONS = Row(
    "Connections",
    (
        graph(
            "Connections and rigs",
            "Connections may carry several rigs, behind a proxy.",
            Query(f"sum({of('connections')})", "connections"),
            Query(f"sum by (site) ({at_site('site_rigs')})", "rigs of {{site}}"),
            unit="none",
        ),
        graph(
            "Not let in, or thrown out",
            "A second, by reason.",
            Query(f"sum by (reason) ({rate('refused_total')})", "{{reason}}"),
            unit="suffix: /s",
        ),
        graph(
            "Bans, and rigs that cannot be told",
            "Bans in force; rigs with less than a share a minute.",
            Query(f"sum({of('bans')})", "bans"),
            Query(f"sum({of('unresolved_rigs')})", "unresolved rigs"),
            unit="none",
        ),
        graph(
            "Malformed messages, slow rigs, lost sessions",
            "A second.",
            Query(f"sum({rate('malformed_messages_total')})", "malformed"),
            Query(f"sum({rate('slow_connections_dropped_total')})", "dropped for not reading"),
            Query(f"sum({rate('sessions_resumed_total')})", "resumed"),
            unit="suffix: /s",
        ),
    ),
)

_BLOCKS = Row(
    "Blocks and what they pay",
    (
        graph(
            "Found and expected",
            "Over the pool's whole life, as counted; the gap is luck.",
            Query(f"sum({of('blocks_total', state='found')})", "found"),
            Query(f"sum({of('expected_blocks_total')})", "expected"),
            unit="none",
        ),
        graph(
            "Effort of the round",
            "At 1 a block is due; one round in twenty comes to 3.",
            Query(of("round_effort"), "effort"),
            unit="none",
            steps=((None, GOOD), (3, WATCH), (6, BAD)),
        ),
        graph(
            "Blocks by state",
            "How many are in each state now.",
            Query(f"sum by (state) ({of('blocks_in_state')})", "{{state}}"),
            unit="none",
        ),
        graph(
            "What blocks pay, and what is owed",
            "Coinbases by state, and debts to payees.",
            Query(f"sum by (state) ({of('block_value_satoshis')}) / 1e8", "{{state}}"),
            Query(f"sum({of('unpaid_satoshis')}) / 1e8", "owed"),
            unit="suffix: BTC",
        ),
        graph(
            "Time without transactions",
            "Part of the time in which only a job without transactions was to be had.",
            Query(f"sum({rate('stopgap_seconds_total')})", "time"),
            unit="percentunit",
        ),
        graph(
            "Submitting a block",
            "How long submitblock takes.",
            *quantiles("submitblock_seconds"),
            unit="s",
        ),
    ),
)

MINING = Dashboard(
    "mining",
    "mining",
    "Shares and why they are lost, hashrates with their errors, connections, blocks.",
    (INSTANCE, SITE),
    (_WELL, _hashrate(), _SHARE_ROW, _CONNECTIONS, _BLOCKS),
)
