"""``poolserver init``: a first configuration, by asking or by flags."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from poolserver.bitcoin.networks import NETWORKS
from poolserver.commands.common import EXIT_USAGE, F, as_text, fail
from poolserver.commands.init_answers import (
    SCHEMA_NAME,
    Answers,
    Reading,
    Site,
    address_of,
    configuration,
    setting,
)
from poolserver.commands.probe import Probe, login_of_cookie, probe
from poolserver.config import ConfigError, config_schema

SITES = ("sites.name", "sites.budget_mw", "sites.accounts")


class _Answer(click.ParamType[Any]):
    """What a setting takes, said in the setting's own words where it does not."""

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading, self.name = reading, name

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._reading(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _option(flag: str, place: str, says: str) -> Callable[[F], F]:
    return click.option(flag, type=_Answer(setting(place), "value"), help=says)


@click.command()
@click.argument(
    "path",
    type=click.Path(path_type=Path),
    metavar="[FILE]",
    default="pool.toml",
    callback=as_text,
)
@click.option("--network", type=click.Choice(list(NETWORKS)), help="The node's. [main]")
@click.option(
    "--payout-address",
    metavar="ADDRESS",
    callback=as_text,
    help="Of yours: it is paid the blocks.",
)
@_option("--node-url", "nodes.url", "The node's RPC server. [on this machine]")
@_option("--node-cookie", "nodes.cookie_file", "The node's .cookie. [in ~/.bitcoin]")
@_option("--node-username", "nodes.username", "Instead of the cookie.")
@_option("--node-password-env", "nodes.password_env", "The variable that has its password.")
@_option("--listen", "listeners.address", "Where rigs connect to. [0.0.0.0:3333]")
@_option("--http", "http.address", "Where page and API are. [127.0.0.1:9333]")
@_option("--data-dir", "data_dir", "Journal and database, seen from FILE's folder. [var]")
@click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME MW ACCOUNTS",
    type=click.Tuple([_Answer(setting(place), "value") for place in SITES]),
    help="A site, its budget and, with commas between them, whose work is its. May repeat.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: what is not told has its default.")
@click.option("--force", is_flag=True, help="Write FILE anew if it is there.")
@click.option("--schema", is_flag=True, help=f"Also write {SCHEMA_NAME} beside it, for editors.")
def init(
    path: Path, yes: bool, force: bool, schema: bool, sites: tuple[Site, ...], **told: Any
) -> None:
    """Write a configuration, by asking or by flags.

    What flags tell is not asked. FILE is pool.toml unless told otherwise.
    """
    if path.exists() and not force:
        fail(f"{path} is there already: --force writes it anew")
    answers = Answers(**told, sites=list(sites))
    if answers.node_username is not None and answers.node_password_env is None and yes:
        raise click.UsageError("--node-username needs --node-password-env")
    _take_defaults(answers) if yes else _ask(answers)
    try:
        text = configuration(answers.settings(), path, has_schema=schema)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)
    try:
        put(path, text, is_secret=answers.node_password is not None, may_replace=force)
        if schema:
            put(path.with_name(SCHEMA_NAME), config_schema() + "\n", may_replace=True)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}")
    _tell_what_next(path, answers)


def _take_defaults(answers: Answers) -> None:
    if answers.payout_address is None:
        raise click.UsageError("--yes needs --payout-address: nobody else knows whom to pay")
    answers.take_defaults()
    found = _look_at_node(answers)
    if not found.is_good:
        click.echo(f"note: {found.text}", err=True)


def _ask(answers: Answers) -> None:
    """All that flags have not told, each answer checked as it comes."""
    click.echo("Enter takes what stands in brackets. Ctrl-C ends it, and nothing is written.")
    if answers.network is None:
        choice = click.Choice(list(NETWORKS))
        answers.network = click.prompt("Network", type=choice, default=answers.default("network"))
    reading = address_of(answers.network)
    if answers.payout_address is None:
        answers.payout_address = _asked("Address that blocks are paid to", reading, None)
    _ask_of_node(answers)
    for name, place, question in (
        ("listen", "listeners.address", "Where rigs connect to"),
        ("http", "http.address", "Where the live page and the API are"),
        ("data_dir", "data_dir", "Folder for journal and database"),
    ):
        if getattr(answers, name) is None:
            setattr(answers, name, _asked(question, setting(place), answers.default(name)))
    if not answers.sites:
        answers.sites = _asked_sites()


def _ask_of_node(answers: Answers) -> None:
    """Until it answers, or whoever is asked goes on without."""
    is_told = answers.node_url is not None and answers.has_login
    while True:
        if answers.node_url is None:
            default = answers.default("node_url")
            answers.node_url = _asked("The node's RPC server", setting("nodes.url"), default)
        _ask_login(answers)
        found = _look_at_node(answers)
        click.echo(f"  {found.text}")
        if found.is_good or is_told or click.confirm("  Go on with it?", default=True):
            return
        answers.node_url = answers.node_cookie = None
        answers.node_username = answers.node_password = None


def _ask_login(answers: Answers) -> None:
    if not answers.has_login:
        question = "Its cookie file, or - for username and password"
        default = answers.default("node_cookie")
        cookie = _asked(question, setting("nodes.cookie_file"), default)
        if cookie != "-":
            answers.node_cookie = cookie
            return
        answers.node_username = _asked("Username", setting("nodes.username"), None)
    if answers.node_cookie is None and answers.node_password_env is None:
        answers.node_password = _asked("Password", setting("nodes.password"), None, is_hidden=True)


def _asked_sites() -> list[Site]:
    sites: list[Site] = []
    click.echo("A site is a place with rigs and a power budget. Enter alone: no more sites.")
    name_of, budget_of, accounts_of = map(setting, SITES)
    while name := _asked("Name of a site", lambda typed: typed and name_of(typed), ""):
        if name in [each for each, _, _ in sites]:
            click.echo("Error: there is one by that name")
            continue
        budget_mw = _asked("  The power it may draw, in MW", budget_of, None)
        usual = "".join(each if each.isalnum() else "-" for each in name.lower())
        accounts = _asked("  Accounts whose work is its (with commas)", accounts_of, usual)
        sites.append((name, budget_mw, accounts))
    return sites


def _asked(question: str, reading: Reading, default: str | None, *, is_hidden: bool = False) -> Any:
    def read(typed: str) -> Any:
        try:
            return reading(typed)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    return click.prompt(
        question,
        default=default,
        value_proc=read,
        hide_input=is_hidden,
        show_default=bool(default),
    )


def _look_at_node(answers: Answers) -> Probe:
    assert answers.node_url is not None
    assert answers.network is not None
    if answers.node_cookie is not None:
        try:
            login = login_of_cookie(Path(answers.node_cookie))
        except OSError as error:
            return Probe(False, f"{answers.node_cookie}: {(error.strerror or '').lower()}")
    else:
        named = os.environ.get(answers.node_password_env or "", "")
        login = f"{answers.node_username}:{answers.node_password or named}"
    return probe(answers.node_url, login, answers.network)


def put(path: Path, text: str, *, is_secret: bool = False, may_replace: bool = False) -> None:
    """The file, whole or not at all; one that holds a secret can be read by its owner alone.

    Raises:
        OSError: it cannot be written, or is there and may not be replaced.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    mode = 0o600 if is_secret else 0o644
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if may_replace:
            part.replace(path)
        else:
            path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)


def _tell_what_next(path: Path, answers: Answers) -> None:
    assert answers.listen is not None
    _, _, port = answers.listen.rpartition(":")
    user = f"{answers.sites[0][2][0]}.rig1" if answers.sites else f"{answers.payout_address}.rig1"
    click.echo(f"{path} is written. Look through it; then start: poolserver run --config {path}")
    click.echo(f"Point a rig at stratum+tcp://THIS-MACHINE:{port} as {user}, any password.")
