"""``poolserver power models``: nameplates with their sources, and what rigs are taken for."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from poolserver.commands.common import console, echo_json, fail, json_option, load
from poolserver.commands.fitting import fitting_table
from poolserver.commands.texts import clean
from poolserver.config import Config
from poolserver.control_room.outfit import power_tree, rig_book
from poolserver.ledger import rig_sql
from poolserver.ledger.database import Database
from poolserver.ledger.totals import UNASSIGNED_SITE, site_lookup
from poolserver.outfit import StartError, ledger_database
from poolserver.power.models import MinerModel, load_models
from poolserver.power.rater import Rated
from poolserver.power.rig_book import SavedRig

# Rigs that are named of each kind: enough to know which they are.
EXAMPLES = 3


class ModelLine(msgspec.Struct, frozen=True):
    """A nameplate."""

    make: str
    model: str
    th_s: float
    watts: float
    j_per_th: float
    cooling: str
    source: str


class RigsLine(msgspec.Struct, frozen=True):
    """Rigs of one site and rating: ``by`` is its source, ``basis`` whose figure it is."""

    site: str
    rigs: int
    by: str
    model: str
    j_per_th: float
    basis: str
    examples: list[str]
    """Those seen last."""


class ModelList(msgspec.Struct, frozen=True):
    """``rigs`` is None where no pool was asked about."""

    models: list[ModelLine]
    rigs: list[RigsLine] | None = None


@click.command()
@click.option("--find", metavar="NAME", default="", help="Only those with this in their name.")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also tell what the rigs that this pool has seen are taken for, and why.",
)
@json_option()
def models(find: str, path: Path | None, as_json: bool) -> None:
    """List the known models of mining machines, with the source of each figure."""
    found = ModelList([_line(model) for model in _chosen(find)])
    if path is not None:
        config = load(path)
        try:
            found = msgspec.structs.replace(found, rigs=read_rigs(config, ledger_database(config)))
        except StartError as error:
            fail(str(error))
    if as_json:
        echo_json(found)
        return
    out = console()
    out.print(models_table(found.models, out.width))
    if found.rigs is not None:
        out.print(rigs_table(found.rigs, out.width))


def _chosen(find: str) -> list[MinerModel]:
    every, wanted = load_models(), find.strip().casefold()
    return list(every.named(find)) or [
        model for model in every if wanted in f"{model.make} {model.model}".casefold()
    ]


def _line(model: MinerModel) -> ModelLine:
    return ModelLine(
        model.make,
        model.model,
        float(model.hashrate_th_s),
        float(model.power_w),
        float(model.j_per_th),
        model.cooling,
        model.source,
    )


def read_rigs(config: Config, database: Database) -> list[RigsLine]:
    """What the saved rigs are taken for by this configuration, the most first.

    Raises:
        StartError: the database cannot be read.
    """
    try:
        with closing(database.reader()) as connection:
            return rigs_of(config, rig_sql.rigs(connection))
    except database.errors as error:
        raise StartError(str(database.error(error))) from error


def rigs_of(config: Config, rigs: Iterable[SavedRig]) -> list[RigsLine]:
    """Those of the sites; who is seen last comes last in ``rigs``."""
    rater = rig_book(config, power_tree(config)).rater
    site_of = site_lookup({site.name: site.accounts for site in config.sites})
    groups: dict[tuple[str, Rated], list[str]] = {}
    for rig in rigs:
        if (site := site_of(rig.account)) != UNASSIGNED_SITE:
            rated = rater.rate(site, rig.worker, rig.identity)._replace(asks_hashrate=False)
            groups.setdefault((site, rated), []).append(rig.worker)
    lines = [
        RigsLine(
            site,
            len(names),
            rated.rating.source.label,
            rated.rating.model,
            float(rated.rating.j_per_th),
            rated.basis,
            names[-EXAMPLES:],
        )
        for (site, rated), names in groups.items()
    ]
    return sorted(lines, key=lambda line: (line.site, -line.rigs))


def models_table(lines: Iterable[ModelLine], width: int) -> Table:
    """For people."""
    names = ("make", "model", "TH/s", "W", "J/TH", "cooling", "source")
    rows = [
        (
            *(each.make, each.model, f"{each.th_s:g}", f"{each.watts:g}", f"{each.j_per_th:g}"),
            *(each.cooling, each.source),
        )
        for each in lines
    ]
    title = "models by their nameplates, which are good to 5 to 10%"
    texts = ("make", "model", "cooling", "source")
    return fitting_table(names, rows, width, texts=texts, title=title)


def rigs_table(lines: Iterable[RigsLine], width: int) -> Table:
    """For people. What rigs say of themselves is no markup of ours."""
    names = ("site", "rigs", "by", "model", "J/TH", "as", "from")
    rows = [
        (
            *(Text(clean(each.site)), f"{each.rigs}", each.by, Text(clean(each.model))),
            *(f"{each.j_per_th:g}", Text(clean(", ".join(each.examples))), each.basis),
        )
        for each in lines
    ]
    texts = ("site", "by", "model", "as", "from")
    return fitting_table(names, rows, width, texts=texts, title="what rigs are taken for")
