"""What the dashboards have in common: how series are chosen, and from where on a figure is bad."""

from scripts.dashboards.model import DOCS_LINK, Variable
from scripts.dashboards.panels import BAD, GOOD, WATCH, Panel, Query, Steps, stat

INSTANCE = Variable("instance", "Pool", "poolserver_info, instance")
SITE = Variable("site", "Site", 'poolserver_site_rigs{instance=~"$instance"}, site')
NODE = Variable("node", "Power node", 'poolserver_power_watts{instance=~"$instance"}, node')
BITCOIN_NODE = Variable("node", "Bitcoin node", 'poolserver_node_up{instance=~"$instance"}, node')

YES_IS_GOOD: Steps = ((None, BAD), (1, GOOD))
NONE_IS_GOOD: Steps = ((None, GOOD), (1, BAD))
NONE_IS_BETTER: Steps = ((None, GOOD), (1, WATCH))
REJECTED: Steps = ((None, GOOD), (0.01, WATCH), (0.03, BAD))
"""0.1 to 0.5% is usual; an alert tells of 3%."""
TEMPLATE_AGE: Steps = ((None, GOOD), (35, WATCH), (60, BAD))
"""A node confirms the template each 30 s at least; an alert tells of 60 s."""
HEADROOM: Steps = ((None, BAD), (0, GOOD))

# "/" is the programme, a name without a slash is a site: the level that whole sites are seen at.
_POOLS = 'instance=~"$instance"'
SITE_NODES = 'node!~".+/.*",node!="/"'


LOST = 'result!="accepted"'


def of(metric: str, *matchers: str, **labels: str) -> str:
    """The selector of one of the pool's metrics, for the pools that are looked at."""
    equal = [f'{label}="{value}"' for label, value in labels.items()]
    return f"poolserver_{metric}{{{','.join([_POOLS, *matchers, *equal])}}}"


def at_site(metric: str, *matchers: str, **labels: str) -> str:
    return of(metric, 'site=~"$site"', *matchers, **labels)


def at_node(metric: str, *matchers: str, **labels: str) -> str:
    return of(metric, 'node=~"$node"', *matchers, **labels)


def by_site(metric: str) -> str:
    """A figure of a site's power node, under the site's name."""
    inner = of(metric, SITE_NODES)
    return f'sum by (site) (label_replace({inner}, "site", "$1", "node", "(.*)"))'


def rate(metric: str, *matchers: str) -> str:
    return f"rate({of(metric, *matchers)}[$__rate_interval])"


def quantiles(metric: str, by: str = "", *matchers: str) -> tuple[Query, ...]:
    """The median, and what one in a hundred is slower than, of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    inner = f"sum by ({labels}) ({rate(metric + '_bucket', *matchers)})"
    return (
        Query(f"histogram_quantile(0.5, {inner})", f"{legend}median"),
        Query(f"histogram_quantile(0.99, {inner})", f"{legend}99%"),
    )


def alerts_now(severity: str, title: str, steps: Steps) -> Panel:
    firing = f'ALERTS{{job="poolserver",alertstate="firing",severity="{severity}"}}'
    what = "Alerts that wake somebody" if severity == "page" else "Alerts for working hours"
    return stat(
        title,
        f"count({firing}) or vector(0)",
        f"{what}: how many fire now.",
        steps=steps,
        width=3,
        links=(DOCS_LINK,),
    )
