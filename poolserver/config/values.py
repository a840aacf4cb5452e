"""The pool's own kinds of value: addresses to listen at, secrets, names, watts.

The names at the end are what settings.py annotates its fields with.
"""

import re
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from poolserver.config.kinds import Bounds, number, of_kind, quoted, shown, text

# The coinbase's scriptSig has 100 bytes (consensus). It must hold 5 of height, 16 of job tag,
# 4 + 16 of extranonce and two push opcodes, which leaves 57; the 17 above the limit are spare
# for a longer extranonce, so that a tag that was good once stays good.
COINBASE_TAG_MAX = 40

# Avalon cuts a username at 63 characters.
ACCOUNT_MAX = 63

# It is a label of metrics and a column of tables; paths are made of them, with / between.
POWER_NODE_NAME_MAX = 63

# All power stations of the world together are some ten million megawatts.
BUDGET_MAX_MW = 1_000_000


class Endpoint(NamedTuple):
    """Where to listen. Port 0 is any free port; an IPv6 host is without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, written: str) -> "Endpoint":
        """Read ``127.0.0.1:3333``, ``[::1]:3333`` or ``pool.example:3333``.

        Raises:
            ValueError: it is none of these.
        """
        trouble = f'must be like "127.0.0.1:3333" or "[::1]:3333", is {quoted(written)}'
        parts = _ENDPOINT.fullmatch(written)
        if parts is None or int(parts["port"]) > 0xFFFF:
            raise ValueError(trouble)
        try:
            host = str(IPv6Address(parts["ipv6"])) if parts["ipv6"] else _host(parts["host"])
        except ValueError:
            raise ValueError(trouble) from None
        return cls(host, int(parts["port"]))


_ENDPOINT = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]:]+)):(?P<port>[0-9]{1,5})")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)


def _host(written: str) -> str:
    if re.fullmatch(r"[0-9.]+", written):
        return str(IPv4Address(written))
    if not _HOST_NAME.fullmatch(written):
        raise ValueError(written)
    return written.lower()


def _host_name(raw: object) -> str:
    try:
        return _host(text(raw))
    except ValueError:
        raise ValueError(f'must be like "pool.example", is {shown(raw)}') from None


class Secret:
    """A password. It shows itself to nobody but the caller of ``reveal()``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(********)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def _secret(raw: object) -> Secret:
    if not isinstance(raw, str) or not raw:
        raise ValueError("must be text in quotes")  # what is there may be a password: not shown
    return Secret(raw)


def _path(raw: object) -> Path:
    try:
        return Path(text(raw)).expanduser()
    except RuntimeError:
        raise ValueError(f"names a home folder that cannot be found, is {shown(raw)}") from None


def _instance_id(raw: object) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,32}", text(raw)):
        raise ValueError(f"must be 1 to 32 of a-z, 0-9 and -, is {shown(raw)}")
    return text(raw)


def _account(raw: object) -> str:
    name = text(raw)
    if "." in name or " " in name:
        raise ValueError(f"must be the part before the first dot, without spaces, is {shown(raw)}")
    if len(name.encode()) > ACCOUNT_MAX:
        raise ValueError(f"must be at most {ACCOUNT_MAX} bytes, is {shown(raw)}")
    return name


def _coinbase_tag(raw: object) -> str:
    tag = text(raw)
    if not tag.isascii() or len(tag) > COINBASE_TAG_MAX:
        raise ValueError(f"must be at most {COINBASE_TAG_MAX} ASCII characters, is {shown(raw)}")
    return tag


def _version_mask(raw: object) -> int:
    if not re.fullmatch(r"[0-9a-fA-F]{8}", text(raw)):
        raise ValueError(f'must be 8 hex digits like "1fffe000", is {shown(raw)}')
    return int(text(raw), 16)


def _node_url(raw: object) -> str:
    url = text(raw)
    if "@" in url:
        raise ValueError("must not hold a password: give username and password as settings")
    parts = re.fullmatch(r"https?://([^/?#\s]+)(/[^?#\s]*)?", url)
    if parts is None:
        raise ValueError(f'must be like "http://127.0.0.1:8332", is {shown(raw)}')
    _connectable(parts[1], raw)
    return url


def _postgres_url(raw: object) -> str:
    url = text(raw)
    login = re.sub(r"^\w*:/*", "", url.rpartition("@")[0])
    if ":" in login or re.search(r"(?i)password\s*=", url):
        # What is there may be a password: not shown.
        raise ValueError("must not hold a password: give it by postgresql_password_env")
    if not re.fullmatch(r"postgres(ql)?://\S*", url):
        raise ValueError(f'must be like "postgresql://pool@127.0.0.1/ledger", is {shown(raw)}')
    return url


def _zmq(raw: object) -> str:
    endpoint = text(raw)
    if endpoint.startswith("tcp://"):
        _connectable(endpoint.removeprefix("tcp://"), raw)
    elif not re.fullmatch(r"ipc://\S+", endpoint):
        raise ValueError(f'must be like "tcp://127.0.0.1:28332", is {shown(raw)}')
    return endpoint


def _connectable(authority: str, raw: object) -> None:
    if Endpoint.parse(authority).port == 0:
        raise ValueError(f"must name the port to connect to, is {shown(raw)}")


def _node_name(raw: object) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", text(raw)):
        raise ValueError(f"must be 1 to 32 of A-Z, a-z, 0-9, ., _ and -, is {shown(raw)}")
    return text(raw)


def _power_node_name(raw: object) -> str:
    name = text(raw)
    if "/" in name or name != name.strip() or len(name) > POWER_NODE_NAME_MAX:
        trouble = f"must be 1 to {POWER_NODE_NAME_MAX} characters without /, is {shown(raw)}"
        raise ValueError(trouble)
    return name


def _time_zone(raw: object) -> str:
    try:
        return ZoneInfo(text(raw)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'must be like "UTC" or "Asia/Karachi", is {shown(raw)}') from None


def _worker_pattern(raw: object) -> str:
    fields = re.findall(r"\{([^{}]*)\}", text(raw))
    if (
        not fields
        or re.search(r"[{}]", re.sub(r"\{(site|container|rack|slot|model)\}", "", text(raw)))
        or "}{" in text(raw)
        or len(set(fields)) != len(fields)
        or not {"container", "rack", "model"} & set(fields)
    ):
        trouble = (
            "must be made of {site}, {container}, {rack}, {slot} and {model}, each once at most, "
            "with text between them"
        )
        raise ValueError(f"{trouble}, is {shown(raw)}")
    return text(raw)


def _remote(raw: object) -> Endpoint:
    _connectable(text(raw), raw)
    return Endpoint.parse(text(raw))


def _network(raw: object) -> str:
    try:
        return str(ip_network(text(raw)))
    except ValueError:
        trouble = f'must be like "10.0.0.0/8" or "2001:db8::/32", is {shown(raw)}'
        raise ValueError(trouble) from None


def _sha256_hex(raw: object) -> str:
    if not isinstance(raw, str) or not re.fullmatch(r"[0-9a-f]{64}", raw):
        # What is there may be the token itself: not shown.
        raise ValueError("must be 64 hex digits, in lower case")
    return raw


def _topic_prefix(raw: object) -> str:
    if not re.fullmatch(r"[^/+#\s]+(/[^/+#\s]+)*", text(raw)):
        raise ValueError(f'must be like "poolserver" or "site/pool", is {shown(raw)}')
    return text(raw)


_POWER = Bounds(ge=0, le=BUDGET_MAX_MW)


def _megawatts(raw: object) -> Fraction:
    power_mw = _POWER.hold(Fraction(number(raw)), raw)
    if (power_mw * 1_000_000).denominator != 1:
        raise ValueError(f"must be a whole number of watts, is {shown(raw)} MW")
    return power_mw


# A share cannot take less than one hash (difficulty 2^-32); no network is above 2^64 (main: 2^47).
Difficulty = Annotated[float, msgspec.Meta(ge=2.0**-32, le=2.0**64)]
Account = Annotated[str, of_kind("text", _account, r"^[^. ]+$")]
CoinbaseTag = Annotated[
    str, of_kind(f"ASCII text, 1 to {COINBASE_TAG_MAX} bytes", _coinbase_tag, r"^[ -~]+$")
]
FilePath = Annotated[Path, of_kind("path", _path)]
HostName = Annotated[str, of_kind("name of a host", _host_name)]
InstanceId = Annotated[
    str, of_kind("1 to 32 of `a-z`, `0-9`, `-`", _instance_id, r"^[a-z0-9-]{1,32}$")
]
IpNetwork = Annotated[str, of_kind("network like `10.0.0.0/8`, or address", _network)]
ListenAddress = Annotated[
    Endpoint, of_kind("`host:port`", lambda raw: Endpoint.parse(text(raw)), r":[0-9]{1,5}$")
]
Megawatts = Annotated[
    Fraction, of_kind("number, from 0, in whole watts", _megawatts, schema=_POWER.schema("number"))
]
NodeName = Annotated[
    str,
    of_kind("1 to 32 of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`", _node_name, r"^[A-Za-z0-9._-]{1,32}$"),
]
NodeUrl = Annotated[str, of_kind("`http://host:port`", _node_url, r"^https?://[^@]+$")]
Password = Annotated[Secret, of_kind("text", _secret)]
PostgresUrl = Annotated[
    str, of_kind("`postgresql://user@host/database`", _postgres_url, r"^postgres(ql)?://")
]
PowerNodeName = Annotated[
    str,
    of_kind(
        f"text, 1 to {POWER_NODE_NAME_MAX} characters without `/`",
        _power_node_name,
        r"^[^/]{1,63}$",
    ),
]
RemoteEndpoint = Annotated[Endpoint, of_kind("`host:port`", _remote, r":[0-9]{1,5}$")]
Sha256Hex = Annotated[str, of_kind("64 hex digits", _sha256_hex, r"^[0-9a-f]{64}$")]
TimeZone = Annotated[str, of_kind("name of the IANA database", _time_zone)]
TopicPrefix = Annotated[
    str, of_kind("text without `+`, `#` and spaces", _topic_prefix, r"^[^+#\s]+$")
]
VersionMask = Annotated[int, of_kind("8 hex digits", _version_mask, r"^[0-9a-fA-F]{8}$")]
WorkerPattern = Annotated[
    str,
    of_kind(
        "text with `{site}`, `{container}`, `{rack}`, `{slot}`, `{model}`",
        _worker_pattern,
        r"\{(container|rack|model)\}",
    ),
]
ZmqEndpoint = Annotated[str, of_kind("`tcp://host:port` or `ipc://path`", _zmq, r"^(tcp|ipc)://")]
