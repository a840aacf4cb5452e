"""What the control room works with, made of the configuration."""

from fractions import Fraction

from poolserver.config import Config, SiteConfig
from poolserver.power.places import NodeRules, Places, SitePlaces
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree


def power_tree(config: Config) -> PowerTree:
    """The tree that the sites' power flows through, as it is configured."""
    programme = config.programme.limit_mw
    nodes = [PowerNode(PROGRAMME, "programme", None if programme is None else _watts(programme))]
    for site in config.sites:
        nodes.append(
            PowerNode(
                site.name,
                "site",
                limit_w=site.budget_w,
                meter=site.meter,
                pue=site.pue,
                work_scale=site.work_scale,
                ai_loads=_ai_loads(site, None),
            )
        )
        paths = _node_paths(site)
        nodes += [
            PowerNode(
                paths[node.name],
                node.kind,
                limit_w=None if node.limit_mw is None else _watts(node.limit_mw),
                mining_limit_w=(
                    None if node.mining_limit_mw is None else _watts(node.mining_limit_mw)
                ),
                meter=node.meter,
                auxiliary_w=int(node.auxiliary_kw * 1000),
                ai_loads=_ai_loads(site, node.name),
            )
            for node in site.nodes
        ]
    return PowerTree(nodes)


def power_places(config: Config, tree: PowerTree) -> Places:
    """How rigs find their node in ``tree``."""
    return Places(tree, [_site_places(site) for site in config.sites])


def _site_places(site: SiteConfig) -> SitePlaces:
    paths = _node_paths(site)
    rules = tuple(
        NodeRules(paths[node.name], frozenset(node.rigs), node.workers, node.addresses)
        for node in site.nodes
    )
    return SitePlaces(site.name, rules, site.worker_pattern)


def _node_paths(site: SiteConfig) -> dict[str, str]:
    """The path of each configured node of a site, by its name."""
    paths: dict[str, str] = {}
    for node in site.nodes:
        above = site.name if node.under is None else paths[node.under]
        paths[node.name] = f"{above}/{node.name}"
    return paths


def _ai_loads(site: SiteConfig, under: str | None) -> tuple[AiLoad, ...]:
    return tuple(
        AiLoad(load.name, load.meter, load.assumed_w, site.name)
        for load in site.ai_loads
        if load.under == under
    )


def _watts(power_mw: Fraction) -> int:
    return int(power_mw * 1_000_000)
