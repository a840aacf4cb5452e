"""What no single setting can show to be wrong: settings that do not go together.

The checks see a configuration in which a value that could not be read is ``UNSET`` (walk.py)
and say nothing about it, so that whoever mends the file hears of each problem once.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import inf
from typing import TypeVar

from msgspec import UNSET

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.networks import NETWORKS, Network
from poolserver.config.errors import Problem
from poolserver.config.kinds import figure, quoted
from poolserver.config.ledger import LedgerConfig
from poolserver.config.rigs import LimitsConfig, ListenerConfig, StratumConfig
from poolserver.config.settings import Config, NodeConfig
from poolserver.config.sites import SiteConfig

T = TypeVar("T")

# Where work without a site goes; a site of the operator's by that name would be taken for it.
UNASSIGNED_SITE = "unassigned"


def check(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Every problem between the settings of ``config``."""
    yield from _payout(config)
    nodes = list(each("nodes", config.nodes))
    yield from repeated((f"{path}.url", node.url) for path, node in nodes)
    for path, node in nodes:
        yield from _login(path, node, environ)
    yield from _nodes(config, nodes)
    yield from _listening(config)
    for path, listener in each("listeners", config.listeners):
        yield from _difficulties(path, listener)
        yield from _certificate(path, listener)
    if known(config.limits):
        yield from _limits(config.limits)
    if known(config.stratum):
        yield from _rates(config.stratum)
    if known(config.ledger):
        yield from _ledger(config.ledger, environ)
    yield from _sites(config)


def known(*values: object) -> bool:
    """Whether all of these are there: could be read, and need not be worked out yet."""
    return all(value is not UNSET for value in values)


def each(path: str, items: tuple[T, ...]) -> Iterator[tuple[str, T]]:
    """The items of a list that could be read, each with its path."""
    for index, item in enumerate(items if known(items) else ()):
        if known(item):
            yield f"{path}[{index}]", item


def _payout(config: Config) -> Iterator[Problem]:
    payout = config.payout
    if not known(payout):
        return
    shares = list(each("payout.shares", payout.shares))
    accounts = list(each("payout.accounts", payout.accounts))
    yield from repeated((f"{path}.name", share.name) for path, share in shares)
    yield from repeated((f"{path}.name", account.name) for path, account in accounts)
    if known(config.network):
        network = NETWORKS[config.network]
        yield from _address("payout.address", payout.address, network)
        for path, share in shares:
            yield from _address(f"{path}.address", share.address, network)
        for path, account in accounts:
            yield from _address(f"{path}.address", account.address, network)
            if known(account.name) and not any(_address(path, account.name, network)):
                yield Problem(f"{path}.name", "is an address itself, and is paid there")
    if not known(payout.scheme, payout.shares, payout.accounts, payout.fee_basis_points):
        return
    if payout.scheme == "split" and not payout.shares:
        yield Problem("payout.shares", "needs at least one [[payout.shares]] to split by")
    if payout.scheme != "split" and payout.shares:
        yield Problem("payout.shares", 'are paid by scheme = "split" alone')
    if payout.scheme != "pplns" and payout.accounts:
        yield Problem("payout.accounts", 'are paid by scheme = "pplns" alone')
    if payout.scheme == "solo" and payout.fee_basis_points:
        yield Problem("payout.fee_basis_points", "is taken of shares, and solo has none")


def _address(path: str, address: str, network: Network) -> Iterator[Problem]:
    if known(address):
        try:
            script_pubkey_from_address(address, network)
        except AddressError as error:
            yield Problem(path, str(error))


def _login(path: str, node: NodeConfig, environ: Mapping[str, str]) -> Iterator[Problem]:
    if not known(node.username, node.password, node.password_env, node.cookie_file):
        return
    passwords = (node.password is not None) + (node.password_env is not None)
    by_password = node.username is not None or passwords > 0
    if by_password == (node.cookie_file is not None) or (by_password and node.username is None):
        yield Problem(path, "needs username and password, or cookie_file")
    elif by_password and passwords != 1:
        yield Problem(path, "needs one of password and password_env with its username")
    yield from named_variable(f"{path}.password_env", node.password_env, environ)


def named_variable(path: str, name: str | None, environ: Mapping[str, str]) -> Iterator[Problem]:
    if name is not None and not environ.get(name):
        # Its name is not repeated: a password may have been put there by mistake.
        yield Problem(path, "names a variable that the environment does not have")


def _nodes(config: Config, nodes: list[tuple[str, NodeConfig]]) -> Iterator[Problem]:
    """What the nodes must be together: told apart, one of them trusted, each role filled."""
    # Two of one url have been told so already.
    named = {node.url: (path, node) for path, node in reversed(nodes) if known(node.url, node.name)}
    yield from repeated((f"{path}.name", node.label) for path, node in reversed(named.values()))
    for path, node in nodes:
        yield from repeated(each(f"{path}.roles", node.roles))
    trusted = [path for path, node in nodes if node.trusted is True]
    for path in trusted[1:]:
        yield Problem(f"{path}.trusted", f"is for one node only, and {trusted[0]} has it already")
    for path, node in nodes:
        if node.trusted is True and known(node.roles) and "template" not in node.roles:
            yield Problem(f"{path}.trusted", 'needs the role "template"')
    complete = known(config.nodes) and len(nodes) == len(config.nodes)
    if nodes and complete and all(known(node.roles) for _, node in nodes):
        for role in ("template", "submit"):
            if all(role not in node.roles for _, node in nodes):
                yield Problem("nodes", f'needs at least one with the role "{role}"')


def _listening(config: Config) -> Iterator[Problem]:
    addresses = [
        (f"{path}.address", listener.address)
        for path, listener in each("listeners", config.listeners)
    ]
    if known(config.http):
        addresses.append(("http.address", config.http.address))
    # Port 0 is another port for each.
    yield from repeated((path, each) for path, each in addresses if known(each) and each.port)


def _difficulties(path: str, listener: ListenerConfig) -> Iterator[Problem]:
    names = ("min_difficulty", "start_difficulty", "max_difficulty")
    given = [(name, getattr(listener, name)) for name in names]
    yield from _rising(path, [(name, value) for name, value in given if value not in (UNSET, inf)])


def _certificate(path: str, listener: ListenerConfig) -> Iterator[Problem]:
    cert, key = listener.tls_cert, listener.tls_key
    if known(cert, key) and (cert is None) != (key is None):
        missing = "tls_key" if key is None else "tls_cert"
        yield Problem(f"{path}.{missing}", "is missing: a certificate and its key go together")


def _limits(limits: LimitsConfig) -> Iterator[Problem]:
    for names in (
        ("resend_after_s", "reconnect_after_s", "drop_after_s"),
        ("connections_unknown", "connections_known"),
        ("connections_per_second_unknown", "connections_per_second_known"),
    ):
        yield from _rising("limits", [(name, getattr(limits, name)) for name in names])


def _rates(stratum: StratumConfig) -> Iterator[Problem]:
    names = ("target_shares_per_minute", "max_shares_per_minute")
    yield from _rising("stratum", [(name, getattr(stratum, name)) for name in names])


def _ledger(ledger: LedgerConfig, environ: Mapping[str, str]) -> Iterator[Problem]:
    names = ("postgresql", "postgresql_password", "postgresql_password_env")
    url, password, variable = given = [getattr(ledger, name) for name in names]
    if ledger.store == "postgresql" and url is None:
        yield Problem("ledger.postgresql", "is missing: where the database is")
    if ledger.store == "sqlite":
        for name, value in zip(names, given, strict=True):
            if known(value) and value is not None:
                yield Problem(f"ledger.{name}", 'is for store = "postgresql" alone')
    elif known(password, variable) and None not in (password, variable):
        yield Problem("ledger", "needs one of postgresql_password and postgresql_password_env")
    if known(variable):
        yield from named_variable("ledger.postgresql_password_env", variable, environ)


def _rising(path: str, values: Iterable[tuple[str, float]]) -> Iterator[Problem]:
    """A problem at each value that is below the one before it."""
    for (lower_name, lower), (name, value) in pairwise(values):
        if known(lower, value) and lower > value:
            text = f"must be at least {lower_name}, {figure(lower)}, is {figure(value)}"
            yield Problem(f"{path}.{name}", text)


def _sites(config: Config) -> Iterator[Problem]:
    sites = list(each("sites", config.sites))
    yield from repeated((f"{path}.name", site.name) for path, site in sites)
    yield from repeated(
        account for path, site in sites for account in each(f"{path}.accounts", site.accounts)
    )
    for path, site in sites:
        yield from _power_nodes(path, site)
        if site.name == UNASSIGNED_SITE:
            yield Problem(f"{path}.name", f'"{UNASSIGNED_SITE}" is kept for work without a site')
        real = known(config.network) and config.network in ("main", "testnet4")
        if real and known(site.work_scale) and site.work_scale > 1:
            text = f"is for regtest and private signets, not for {config.network}"
            yield Problem(f"{path}.work_scale", text)


def _power_nodes(path: str, site: SiteConfig) -> Iterator[Problem]:
    nodes = list(each(f"{path}.nodes", site.nodes))
    loads = list(each(f"{path}.ai_loads", site.ai_loads))
    yield from repeated((f"{place}.name", node.name) for place, node in nodes)
    yield from repeated((f"{place}.name", load.name) for place, load in loads)
    names: set[str] = set()
    for place, node in nodes:
        if known(node.under) and node.under is not None and node.under not in names:
            yield Problem(f"{place}.under", f"{quoted(node.under)} is no node that stands earlier")
        names.add(node.name)
    for place, load in loads:
        if known(load.under) and load.under is not None and load.under not in names:
            yield Problem(f"{place}.under", f"{quoted(load.under)} is no node of this site")


def repeated(values: Iterable[tuple[str, object]]) -> Iterator[Problem]:
    """A problem at each value that stands at an earlier path too."""
    first: dict[object, str] = {}
    for path, value in values:
        if known(value) and first.setdefault(value, path) != path:
            yield Problem(path, f"{quoted(str(value))} is already {first[value]}")
