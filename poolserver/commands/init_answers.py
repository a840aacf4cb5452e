"""What ``poolserver init`` has been told, and the configuration that it makes. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from msgspec import inspect

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.networks import NETWORKS
from poolserver.config import Config, parse_config
from poolserver.config.walk import unwrap
from poolserver.config.writing import write_config

SCHEMA_NAME = "poolserver.schema.json"

Reading = Callable[[str], Any]
"""From what was typed to what is written in TOML. Raises ValueError with what must be otherwise."""
Site = tuple[str, Decimal, list[str]]
"""Its name, its budget in MW, its accounts."""

# Where Bitcoin Core keeps the cookie, below its folder (chainparamsbase.cpp).
_FOLDERS = {"main": "", "testnet4": "testnet4/", "signet": "signet/", "regtest": "regtest/"}

_HEADING = """A pool's configuration, as `poolserver init` made it.

All that can be set is in docs/configuration.md; lines such as #name = value show a default. Check
this file by `poolserver check-config {name}`."""


@dataclass(slots=True, kw_only=True)
class Answers:
    """What is None has not been told. All values are as TOML has them."""

    network: str | None = None
    payout_address: str | None = None
    node_url: str | None = None
    node_cookie: str | None = None
    node_username: str | None = None
    node_password: str | None = None
    node_password_env: str | None = None
    listen: str | None = None
    http: str | None = None
    data_dir: str | None = None
    sites: list[Site] = field(default_factory=list)

    def default(self, name: str) -> str:
        """What an answer is if nobody gives another; of a node it depends on the network."""
        network = self.network or "main"
        return {
            "network": "main",
            "node_url": f"http://127.0.0.1:{NETWORKS[network].default_rpc_port}",
            "node_cookie": f"~/.bitcoin/{_FOLDERS[network]}.cookie",
            "listen": "0.0.0.0:3333",
            "http": "127.0.0.1:9333",
            "data_dir": "var",
        }[name]

    def take_defaults(self) -> None:
        """Of all that has one and was not told."""
        for name in ("network", "node_url", "listen", "http", "data_dir"):
            setattr(self, name, getattr(self, name) or self.default(name))
        if not self.has_login:
            self.node_cookie = self.default("node_cookie")

    @property
    def has_login(self) -> bool:
        """Whether it was told how to log in at the node."""
        return self.node_cookie is not None or self.node_username is not None

    def settings(self) -> dict[str, Any]:
        """The tree that the TOML parser would give; what was not told is left out."""
        node = {
            "url": self.node_url,
            "username": self.node_username,
            "password": self.node_password,
            "password_env": self.node_password_env,
            "cookie_file": self.node_cookie,
        }
        return _told(
            {
                "network": self.network,
                "data_dir": self.data_dir,
                "payout": _told({"address": self.payout_address}),
                "nodes": [_told(node)],
                "listeners": [_told({"address": self.listen})],
                "http": _told({"address": self.http}),
                "sites": [
                    {"name": name, "accounts": accounts, "budget_mw": budget_mw}
                    for name, budget_mw, accounts in self.sites
                ],
            }
        )


def _told(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value not in (None, {}, [])}


def configuration(settings: dict[str, Any], path: Path, *, has_schema: bool = False) -> str:
    """The file's text.

    Raises:
        ConfigError: the pool would not take it, with every problem.
    """
    text = write_config(settings, _HEADING.format(name=path.name))
    if has_schema:
        text = f"#:schema ./{SCHEMA_NAME}\n{text}"
    # The variable need not be there yet.
    names = [node.get("password_env") for node in settings.get("nodes", ())]
    environ = dict.fromkeys(filter(None, names), "there")
    parse_config(text, source=str(path), folder=path.absolute().parent, environ=environ)
    return text


def setting(place: str) -> Reading:
    """How what is typed for a setting is read; of a list, with commas between its items."""
    node: inspect.Type = inspect.type_info(Config)
    for name in place.split("."):
        bare, _ = unwrap(node)
        while isinstance(bare, inspect.VarTupleType):
            bare, _ = unwrap(bare.item_type)
        assert isinstance(bare, inspect.StructType), place
        node = next(field.type for field in bare.fields if field.name == name)
    bare, kind = unwrap(node)
    if isinstance(bare, inspect.VarTupleType):
        _, kind = unwrap(bare.item_type)
    assert kind is not None, place
    is_list, is_number = isinstance(bare, inspect.VarTupleType), kind.schema["type"] == "number"

    def read(typed: str) -> Any:
        items = typed.split(",") if is_list else [typed]
        values = [_number(each) if is_number else each.strip() for each in items]
        try:
            for value in values:
                kind.read(value)
        except ValueError as error:
            raise ValueError(f"it {error}") from None
        return values if is_list else values[0]

    return read


def _number(typed: str) -> Decimal:
    try:
        return Decimal(typed.strip())
    except InvalidOperation:
        raise ValueError("it must be a number") from None


def address_of(network: str) -> Reading:
    """How an address of a network is read."""

    def read(typed: str) -> str:
        try:
            script_pubkey_from_address(typed.strip(), NETWORKS[network])
        except AddressError as error:
            raise ValueError(str(error)) from error
        return typed.strip()

    return read
