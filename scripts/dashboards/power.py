"""A site's power: what it draws, what it may, who says so, and how well that is known."""

from scripts.dashboards.model import Dashboard, Row
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    Column,
    Query,
    Steps,
    band,
    graph,
    stat,
    table,
    timeline,
)
from scripts.dashboards.words import HEADROOM, INSTANCE, NODE, NONE_IS_BETTER, YES_IS_GOOD, at_node

# Above 0.995 of its limit a node is within the controller's dead band: an alert tells of it.
_OF_LIMIT: Steps = ((None, GOOD), (0.995, "orange"), (1, BAD))

_WELL = Row(
    "Is all well?",
    (
        stat(
            "Of its limit",
            f"max({at_node('power_watts')} / {at_node('power_limit_watts')} > 0)",
            "What the node that is nearest to its limit draws of it.",
            unit="percentunit",
            decimals=1,
            steps=_OF_LIMIT,
            width=4,
        ),
        stat(
            "Least headroom",
            f"min({at_node('power_headroom_watts')})",
            "What may be drawn more at the node with the least room. Below 0 it is over its limit.",
            unit="watt",
            steps=HEADROOM,
            width=4,
        ),
        stat(
            "Over beyond doubt",
            f"count({at_node('power_headroom_watts')} + 2 * {at_node('power_sigma_watts')} < 0)"
            " or vector(0)",
            "Nodes that are over their limit by more than two standard errors.",
            unit="none",
            steps=((None, GOOD), (1, BAD)),
            width=4,
        ),
        stat(
            "Meters believed",
            f"min({at_node('power_meter_good')})",
            "Whether the newest reading of every meter is believed. No data without meters.",
            steps=YES_IS_GOOD,
            texts={"0": "not all", "1": "all"},
            width=4,
        ),
        stat(
            "Failsafe limits",
            f"count({at_node('power_limit_binding', kind='failsafe')}) or vector(0)",
            "Nodes that are held down since a source of budgets is not heard.",
            unit="none",
            steps=((None, GOOD), (1, BAD)),
            width=4,
        ),
        stat(
            "Silent rigs",
            f"max({at_node('power_silent_rigs')})",
            "Connected, and silent for longer than luck explains, at the node with the most.",
            unit="none",
            steps=NONE_IS_BETTER,
            width=4,
        ),
    ),
)

_NODES = Row(
    "Nodes",
    (
        table(
            "The tree",
            "What each configured node draws and may draw. Headroom below 0 is over the limit.",
            [
                Column("power", f"sum by (node) ({at_node('power_watts')})", "watt", decimals=2),
                Column("±", f"sum by (node) ({at_node('power_sigma_watts')})", "watt"),
                Column("may draw", f"sum by (node) ({at_node('power_limit_watts')})", "watt"),
                Column(
                    "headroom",
                    f"sum by (node) ({at_node('power_headroom_watts')})",
                    "watt",
                    HEADROOM,
                ),
                Column("metered", f"sum by (node) ({at_node('power_metered_watts')})", "watt"),
                Column("residual", f"sum by (node) ({at_node('power_residual_watts')})", "watt"),
                Column("AI", f"sum by (node) ({at_node('power_ai_watts')})", "watt"),
                Column("rigs", f"sum by (node) ({at_node('power_rigs')})", "none"),
                Column("J/TH", f"sum by (node) ({at_node('power_j_per_th')})", "none", decimals=1),
            ],
            width=14,
        ),
        table(
            "What binds",
            "The limit that holds at each node: of what kind, and who says so.",
            [
                Column(
                    "binds",
                    f"sum by (node, kind, source) ({at_node('power_limit_binding')})",
                    "none",
                )
            ],
            width=10,
        ),
    ),
)


def _drawn() -> Row:
    power, sigma = at_node("power_watts"), at_node("power_sigma_watts")
    return Row(
        "Drawn and allowed",
        (
            band(
                graph(
                    "Power against its limit",
                    "Choose one node: the band is two standard errors about what it draws.",
                    Query(power, "{{node}} draws"),
                    Query(f"sum({power} - 2 * {sigma})", "low"),
                    Query(f"sum({power} + 2 * {sigma})", "high"),
                    Query(at_node("power_limit_watts"), "{{node}} may draw"),
                    Query(at_node("power_mining_limit_watts"), "{{node}} mining may draw"),
                    unit="watt",
                    width=24,
                    height=10,
                ),
                "low",
                "high",
            ),
            graph(
                "Headroom",
                "The limit less what is drawn.",
                Query(at_node("power_headroom_watts"), "{{node}}"),
                unit="watt",
                steps=((None, BAD), (0, GOOD)),
            ),
            timeline(
                "What binds",
                "The kind of the limit that holds, and who says so.",
                Query(at_node("power_limit_binding"), "{{node}}: {{kind}} of {{source}}"),
                unit="none",
                texts={"1": "binds"},
                height=8,
            ),
        ),
    )


_KNOWN = Row(
    "How well it is known",
    (
        graph(
            "Mining, AI, and what the meter says",
            "Mining and AI load as they are believed; the meter where it is.",
            Query(at_node("power_mining_watts"), "{{node}} mining"),
            Query(at_node("power_ai_watts"), "{{node}} AI"),
            Query(at_node("power_estimated_watts"), "{{node}} by shares alone"),
            Query(at_node("power_metered_watts"), "{{node}} metered"),
            unit="watt",
        ),
        graph(
            "Residual, and what is beyond chance",
            "Metered load that no work accounts for, and three standard errors of the estimate.",
            Query(at_node("power_residual_watts"), "{{node}} residual"),
            Query(f"3 * {at_node('power_estimated_sigma_watts')}", "{{node}} three sigma"),
            unit="watt",
        ),
        graph(
            "Efficiency",
            "Mining power over proven hashrate.",
            Query(at_node("power_j_per_th"), "{{node}}"),
            unit="suffix: J/TH",
        ),
        timeline(
            "Meters",
            "Whether each meter's newest reading is believed.",
            Query(at_node("power_meter_good"), "{{meter}} of {{node}}"),
            steps=YES_IS_GOOD,
            texts={"0": "not believed", "1": "believed"},
            height=8,
        ),
    ),
)

_RIGS = Row(
    "Rigs and energy",
    (
        graph(
            "Rigs that hash",
            "At the node and below it.",
            Query(at_node("power_rigs"), "{{node}}"),
            unit="none",
        ),
        graph(
            "Silent rigs",
            "Connected, and silent for longer than luck explains.",
            Query(at_node("power_silent_rigs"), "{{node}}"),
            unit="none",
        ),
        graph(
            "Energy in a day",
            "What the proven work of each site stands for, over the day before each moment.",
            Query(
                'increase(poolserver_site_energy_joules_total{instance=~"$instance"}[1d]) / 3.6e6',
                "{{site}}",
            ),
            unit="kwatth",
            width=24,
        ),
    ),
)

POWER = Dashboard(
    "power",
    "site power",
    "What each node of the power tree draws, what it may, who says so, and how well it is known.",
    (INSTANCE, NODE),
    (_WELL, _NODES, _drawn(), _KNOWN, _RIGS),
)
