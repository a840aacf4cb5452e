"""What the control room works with, made of the configuration."""

from collections.abc import Callable
from fractions import Fraction

from poolserver.config import Config, SiteConfig
from poolserver.config.rig_models import RigModelConfig
from poolserver.control_room.books import OutsideBooks
from poolserver.control_room.budget_outfit import budget_book, control_terms
from poolserver.control_room.energy_keeper import EnergyKeeper
from poolserver.control_room.mapping_desk import MappingDesk
from poolserver.control_room.meter_outfit import meter_specs
from poolserver.control_room.rig_keeper import RigKeeper
from poolserver.control_room.room import ControlRoom
from poolserver.control_room.word_keeper import WordKeeper
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import site_lookup
from poolserver.power.ai_loads import AiLoadBook
from poolserver.power.models import MinerModels, load_models
from poolserver.power.places import NodeRules, Places, SitePlaces
from poolserver.power.rater import ModelRule, Rater, SiteRatings
from poolserver.power.readings import MeterBook
from poolserver.power.rig_book import RigBook
from poolserver.power.site import SitePower
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree
from poolserver.stats.meter import Reading

# What is told of energy between two shares' saves is little: a meter's reading is worth more.
ENERGY_SAVE_S = 30.0
# An interval is closed two minutes after its end; its last shares are in by then.
CAUGHT_UP_S = 60.0


def control_room(
    config: Config,
    store: LedgerStore,
    reading_of: Callable[[str, str], Reading],
    *,
    clock: Callable[[], float],
    unix_time: Callable[[], float],
    is_time_sure: Callable[[], bool],
    unsaved_s: Callable[[], float],
) -> ControlRoom:
    """The room of a pool whose books are in ``store``, where nothing has come in yet.

    ``reading_of`` gives what the meter of (account, worker) shows. ``clock`` is monotonic,
    ``unix_time`` the time of day, both in seconds, and nothing is closed by that unless
    ``is_time_sure``. ``unsaved_s`` tells how long ago what was folded is in the store.
    """
    tree = power_tree(config)
    rigs = rig_book(config, tree)
    books = outside_books(config, tree, unix_time)
    site_of = site_lookup({site.name: site.accounts for site in config.sites})
    return ControlRoom(
        tree,
        rigs=rigs,
        rig_keeper=RigKeeper(rigs, store, reading_of, clock=clock),
        reading_of=reading_of,
        books=books,
        word_keeper=WordKeeper(books.budget, store, clock=clock),
        mappings=MappingDesk(rigs, tree, store, site_of, unix_time),
        energy_keeper=EnergyKeeper(
            store,
            tree,
            books.meters.specs,
            config.power.interval_s,
            min(config.ledger.save_interval_s, ENERGY_SAVE_S),
            is_caught_up=lambda: unsaved_s() < CAUGHT_UP_S,
            clock=clock,
            unix_time=unix_time,
            is_time_sure=is_time_sure,
        ),
        terms=control_terms(config),
        tick_s=config.power.tick_s,
        clock=clock,
        unix_time=unix_time,
    )


def outside_books(config: Config, tree: PowerTree, unix_time: Callable[[], float]) -> OutsideBooks:
    """Where nobody has said anything yet."""
    meters = MeterBook(meter_specs(config))
    ai_loads = AiLoadBook(tree, lambda name: meters.state(name, unix_time()))
    return OutsideBooks(tree, meters, ai_loads, budget_book(config, tree))


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


def rig_book(config: Config, tree: PowerTree) -> RigBook:
    """Who the rigs are, where in ``tree``, and at which rating: nothing is known of any yet."""
    models = load_models()
    ratings = [
        SiteRatings(site.name, site.default_j_per_th, site.worker_pattern) for site in config.sites
    ]
    return RigBook(
        power_places(config, tree),
        Rater(models, model_rules(config, models), ratings),
        {site.name: SitePower(site) for site in config.sites},
    )


def model_rules(config: Config, models: MinerModels) -> list[ModelRule]:
    """What the operator says of rigs."""
    return [_model_rule(rule, models) for rule in config.rig_models]


def _model_rule(rule: RigModelConfig, models: MinerModels) -> ModelRule:
    name, basis = rule.model or "", "the configuration"
    if rule.j_per_th is not None:
        j_per_th = rule.j_per_th
        model = name and f"{name} ({float(j_per_th):g} J/TH)"
    elif rule.watts is not None and rule.th_s is not None:
        j_per_th = rule.watts / rule.th_s
        figures = f"{float(rule.th_s):g} TH/s, {float(j_per_th):.3g} J/TH"
        model = f"{name} ({figures})" if name else figures
    else:
        found = models.find(name)
        j_per_th, model, basis = found.j_per_th, str(found), found.source
    return ModelRule(
        j_per_th,
        model,
        basis,
        sites=frozenset(rule.sites),
        rigs=frozenset(rule.rigs),
        workers=rule.workers,
        addresses=rule.addresses,
    )


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
