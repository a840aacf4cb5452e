"""What is wrong between budgets and the rest of the settings."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from poolserver.config.budgets import BudgetConfig
from poolserver.config.checks import each, known
from poolserver.config.errors import Problem
from poolserver.config.kinds import quoted
from poolserver.config.settings import Config
from poolserver.config.sites import SiteConfig


def check_budgets(config: Config) -> Iterator[Problem]:
    """Nodes that are not there, sources that stand twice, entries that never hold."""
    paths = set(_node_paths(config))
    for place, entry in each("budgets", config.budgets):
        yield from _node(place, entry.node, paths)
        if known(entry.valid_from, entry.valid_until, entry.time_zone, entry.node):
            begin_s, end_s = validity_s(config, entry)
            if begin_s is not None and end_s is not None and end_s <= begin_s:
                yield Problem(f"{place}.valid_until", "must be after valid_from")
    first: dict[tuple[str, str, str], str] = {}
    for place, source in each("budget_sources", config.budget_sources):
        yield from _node(place, source.node, paths)
        key = source.name, source.node, source.load
        if known(*key) and first.setdefault(key, place) != place:
            text = f"{quoted(source.name)} is declared for this node in {first[key]} already"
            yield Problem(f"{place}.name", text)


def validity_s(config: Config, entry: BudgetConfig) -> tuple[float | None, float | None]:
    """From when and until when an entry is valid, in Unix seconds."""
    zone = ZoneInfo(zone_of(config, entry))

    def seconds(moment: datetime | None) -> float | None:
        if moment is None:
            return None
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return aware.astimezone(UTC).timestamp()

    return seconds(entry.valid_from), seconds(entry.valid_until)


def zone_of(config: Config, entry: BudgetConfig) -> str:
    """The time zone of an entry: its own, or its site's."""
    if entry.time_zone is not None:
        return entry.time_zone
    name = entry.node.partition("/")[0]
    zones = [site.time_zone for _, site in each("sites", config.sites) if site.name == name]
    return zones[0] if zones and known(zones[0]) else "UTC"


def _node_paths(config: Config) -> Iterator[str]:
    yield "/"
    for _, site in each("sites", config.sites):
        if known(site.name):
            yield site.name
            yield from _paths_below(site)


def _paths_below(site: SiteConfig) -> Iterator[str]:
    paths: dict[str, str] = {}
    for _, node in each("nodes", site.nodes):
        if known(node.name, node.under):
            above = site.name if node.under is None else paths.get(node.under)
            if above is not None:
                paths[node.name] = f"{above}/{node.name}"
                yield paths[node.name]


def _node(place: str, path: str, paths: set[str]) -> Iterator[Problem]:
    if known(path) and path not in paths:
        yield Problem(f"{place}.node", f"there is no power node {quoted(path)}")
