"""The C extension said in Python: to read, to test against, and to run where there is no compiler.

Same names, same results, same exceptions and messages. The comments that matter to C only are
there.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Self, final

from poolserver._native.arguments import as_bytes, as_sized, as_uint, wrong_type
from poolserver._native.histogram import Histogram
from poolserver._native.journal_twin import pack_share, skip_records, sum_shares
from poolserver._native.meter_twin import update_meter
from poolserver._native.metric_twin import metric_labels, metric_lines, read_meters
from poolserver._native.share_set import ShareSet
from poolserver._native.share_sum import ShareSum
from poolserver._native.totals_twin import ShareTotals

__all__ = [
    "BACKENDS",
    "Histogram",
    "JobHasher",
    "ShareSet",
    "ShareSum",
    "ShareTotals",
    "backend",
    "metric_labels",
    "metric_lines",
    "pack_share",
    "read_meters",
    "scan_nonces",
    "set_backend",
    "sha256d",
    "sha256d_pairs",
    "skip_records",
    "sum_shares",
    "take_transactions",
    "update_meter",
]

BACKENDS: Final = ("python",)

#: The smallest transaction has 60 bytes (240 weight units), so a block of 4,000,000 (BIP141) holds
#: less than 2^15 of them and its branch has at most 15 items.
MERKLE_BRANCH_MAX = 32

#: Consensus gives the coinbase's scriptSig 100 bytes, one direct push takes 75 of them, and the
#: extranonce shares that push with the job's tag.
EXTRANONCE_MAX = 64

_DIGEST_SIZE = 32
_PAIR_SIZE = 2 * _DIGEST_SIZE
_HEADER_SIZE = 80
_UINT32_MAX = 2**32 - 1
_NONCES = 2**32

#: A template has five levels: answer, result, transactions, one of them, its depends.
JSON_DEPTH_MAX = 64


def backend() -> str:
    """The name of the backend in use."""
    return BACKENDS[0]


def set_backend(name: str, /) -> None:
    """Refuse each backend but the one there is."""
    if not isinstance(name, str):
        raise wrong_type("name", "str", name)
    if name not in BACKENDS:
        raise ValueError(f"no backend {name!r} on this CPU")


def sha256d(data: bytes, /) -> bytes:
    """SHA-256 of the SHA-256 of ``data``: 32 bytes in digest order."""
    return _sha256d(as_bytes(data, "data"))


def sha256d_pairs(data: bytes, /) -> bytes:
    """``sha256d`` of each 64-byte pair of ``data``, concatenated: one level of a merkle tree."""
    size = len(as_bytes(data, "data"))
    if size % _PAIR_SIZE:
        raise ValueError(f"data must be a multiple of {_PAIR_SIZE} bytes, is {size}")
    return b"".join(_sha256d(data[i : i + _PAIR_SIZE]) for i in range(0, size, _PAIR_SIZE))


@final
class JobHasher:
    """All of one job that does not change from share to share. Immutable."""

    __slots__ = (
        "_branch",
        "_coinb1",
        "_coinb2",
        "_nbits_le",
        "_network_target",
        "_prevhash_le",
    )

    _coinb1: bytes
    _coinb2: bytes
    _branch: tuple[bytes, ...]
    _prevhash_le: bytes
    _nbits_le: bytes
    _network_target: int

    # In __new__ and not in __init__, so that calling that again changes nothing.
    def __new__(
        cls,
        coinb1: bytes,
        coinb2: bytes,
        merkle_branch: Sequence[bytes],
        prevhash_le: bytes,
        nbits: int,
        network_target_le: bytes,
    ) -> Self:
        self = super().__new__(cls)
        self._coinb1 = as_bytes(coinb1, "coinb1")
        self._coinb2 = as_bytes(coinb2, "coinb2")
        self._branch = _merkle_branch(merkle_branch)
        self._prevhash_le = as_sized(prevhash_le, "prevhash_le", _DIGEST_SIZE)
        self._nbits_le = _uint32_le(nbits, "nbits")
        self._network_target = _target(network_target_le, "network_target_le")
        return self

    def check(
        self, extranonce: bytes, version: int, ntime: int, nonce: int, share_target_le: bytes, /
    ) -> tuple[bytes, bool, bool]:
        """``(hash_le, meets the share target, meets the network target)`` of one share."""
        size = len(as_bytes(extranonce, "extranonce"))
        if not 1 <= size <= EXTRANONCE_MAX:
            raise ValueError(f"extranonce must be 1..{EXTRANONCE_MAX} bytes, is {size}")
        version_le = _uint32_le(version, "version")
        ntime_le = _uint32_le(ntime, "ntime")
        nonce_le = _uint32_le(nonce, "nonce")
        share_target = _target(share_target_le, "share_target_le")

        node = _sha256d(self._coinb1 + extranonce + self._coinb2)
        for sibling in self._branch:
            node = _sha256d(node + sibling)
        header = version_le + self._prevhash_le + node + ntime_le + self._nbits_le + nonce_le
        hash_le = _sha256d(header)
        value = int.from_bytes(hash_le, "little")
        return hash_le, value <= share_target, value <= self._network_target


def scan_nonces(header: bytes, nonce_start: int, count: int, target_le: bytes, /) -> list[int]:
    """The nonces of ``count`` from ``nonce_start`` with which the header's hash is <= the target.

    After 2^32-1 comes 0. The header's own nonce is ignored.
    """
    start = as_sized(header, "header", _HEADER_SIZE)[:-4]
    first = as_uint(nonce_start, "nonce_start", _UINT32_MAX)
    last = first + as_uint(count, "count", _NONCES)
    target = _target(target_le, "target_le")
    nonces = (n % _NONCES for n in range(first, last))
    return [
        nonce
        for nonce in nonces
        if int.from_bytes(_sha256d(start + nonce.to_bytes(4, "little")), "little") <= target
    ]


def take_transactions(
    answer: bytes, /
) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]:
    """An answer to getblocktemplate without its transactions, and these in columns."""
    scanner = _Scanner(as_bytes(answer, "answer"))
    array = scanner.scan_answer()
    rest = answer if array is None else answer[: array.start] + answer[array.stop :]
    items = scanner.transactions
    return (
        rest,
        b"".join(tx["data"] for tx in items),
        b"".join((len(tx["data"]) // 2).to_bytes(4, "little") for tx in items),
        b"".join(bytes.fromhex(tx["txid"].decode())[::-1] for tx in items),
        b"".join(bytes.fromhex(tx["hash"].decode())[::-1] for tx in items),
        b"".join(int(tx["fee"]).to_bytes(8, "little") for tx in items),
        b"".join(int(tx["weight"]).to_bytes(4, "little") for tx in items),
        b"".join(int(tx["sigops"]).to_bytes(4, "little") for tx in items),
    )


class _Field(NamedTuple):
    """A field of a transaction: what its JSON looks like, its greatest value, its name in words."""

    token: re.Pattern[bytes]
    maximum: int | None
    meaning: str


# RFC 8259. Each takes what it can and gives nothing back, as C does.
_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'"((?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+)"')
_NUMBER = re.compile(rb"(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++|(?!\.))(?:[eE][+-]?[0-9]++|(?![eE])))")
_WORD = re.compile(rb"true|false|null")
_DATA = re.compile(rb'"((?:[0-9A-Fa-f]{2})++)"')
_HASH = re.compile(rb'"([0-9A-Fa-f]{64})"')

_FIELDS = {
    b"data": _Field(_DATA, None, "the hex of a transaction"),
    b"txid": _Field(_HASH, None, "the hex of a hash"),
    b"hash": _Field(_HASH, None, "the hex of a hash"),
    b"fee": _Field(_NUMBER, 2**63 - 1, "an integer of 0..2^63-1"),
    b"sigops": _Field(_NUMBER, _UINT32_MAX, "an integer of 0..2^32-1"),
    b"weight": _Field(_NUMBER, _UINT32_MAX, "an integer of 0..2^32-1"),
}


class _Scanner:
    """Walks a JSON text. ``transactions`` are those found, each its fields as they are written."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._key_at = 0
        self.transactions: list[dict[str, bytes]] = []

    def scan_answer(self) -> slice | None:
        """Walk the whole text; give the place of the array's contents, None where there is none."""
        self._match(_SPACE)
        array = None
        if self._next() == b"{":
            array = self._scan_envelope(is_result=False)
        else:
            self._skip_value(0)
        self._match(_SPACE)
        if self._at != len(self._text):
            raise self._fault("more behind the value")
        return array

    def _scan_envelope(self, *, is_result: bool) -> slice | None:
        """The members of the answer, or of its result."""
        name = b"transactions" if is_result else b"result"
        seen, array = False, None
        for key in self._plain_keys():
            if key != name:
                self._skip_value(2 if is_result else 1)
                continue
            if seen:
                raise self._fault(f"{name.decode()} is there twice", self._key_at)
            seen = True
            if is_result and self._next() == b"[":
                array = self._scan_transactions()
            elif not is_result and self._next() == b"{":
                array = self._scan_envelope(is_result=True)
            else:
                self._skip_value(2 if is_result else 1)
        return array

    def _scan_transactions(self) -> slice:
        start = self._at + 1
        for _ in self._items():
            self.transactions.append(self._scan_transaction())
        return slice(start, self._at - 1)

    def _scan_transaction(self) -> dict[str, bytes]:
        begin, found = self._at, {}
        if self._next() != b"{":
            raise self._fault("a transaction that is not an object")
        for key in self._plain_keys():
            if key not in _FIELDS:
                self._skip_value(4)  # answer, result, transactions, this one
                continue
            name = key.decode()
            if name in found:
                raise self._fault(f"{name} is there twice", self._key_at)
            found[name] = self._scan_field(name, _FIELDS[key])
        for key in _FIELDS:
            if key.decode() not in found:
                raise self._fault(f"a transaction without {key.decode()}", begin)
        return found

    def _scan_field(self, name: str, field: _Field) -> bytes:
        begin, value = self._at, self._match(field.token)
        if value is None or (
            field.maximum is not None and not (value.isdigit() and int(value) <= field.maximum)
        ):
            raise self._fault(f"{name} is not {field.meaning}", begin)
        return value

    def _skip_value(self, depth: int) -> None:
        """Any value, inside of ``depth`` objects and arrays."""
        if self._next() not in (b"{", b"["):
            for token in (_STRING, _NUMBER, _WORD):
                if self._match(token) is not None:
                    return
            raise self._fault("not a JSON value")
        if depth >= JSON_DEPTH_MAX:
            raise self._fault("nested too deep")
        for _ in self._keys() if self._next() == b"{" else self._items():
            self._skip_value(depth + 1)

    def _plain_keys(self) -> Iterator[bytes]:
        """The keys of an object where it matters what they are."""
        for key in self._keys():
            if b"\\" in key:
                raise self._fault("a key with an escape", self._key_at)
            yield key

    def _keys(self) -> Iterator[bytes]:
        """Each key of the object that is next; the walk goes on where its value is."""
        for _ in self._parts(b"}"):
            self._key_at = self._at
            key = self._match(_STRING)
            if key is None:
                raise self._fault("no key")
            self._match(_SPACE)
            if not self._take(b":"):
                raise self._fault("no ':'")
            self._match(_SPACE)
            yield key

    def _items(self) -> Iterator[None]:
        """Each item of the array that is next; the walk goes on where it is."""
        return self._parts(b"]")

    def _parts(self, close: bytes) -> Iterator[None]:
        self._at += 1
        self._match(_SPACE)
        is_first = True
        while not self._take(close):
            if not is_first:
                if not self._take(b","):
                    raise self._fault(f"no ',' or '{close.decode()}'")
                self._match(_SPACE)
            is_first = False
            yield
            self._match(_SPACE)

    def _next(self) -> bytes:
        return self._text[self._at : self._at + 1]

    def _take(self, byte: bytes) -> bool:
        is_next = self._next() == byte
        self._at += is_next
        return is_next

    def _match(self, token: re.Pattern[bytes]) -> bytes | None:
        """Step over a token; give what is inside of it, None where it is not next."""
        match = token.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[match.lastindex or 0]

    def _fault(self, text: str, at: int | None = None) -> ValueError:
        return ValueError(f"{text} at byte {self._at if at is None else at}")


def _sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def _target(value: object, name: str) -> int:
    return int.from_bytes(as_sized(value, name, _DIGEST_SIZE), "little")


def _uint32_le(value: object, name: str) -> bytes:
    return as_uint(value, name, _UINT32_MAX).to_bytes(4, "little")


def _merkle_branch(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, (tuple, list)):
        raise wrong_type("merkle_branch", "a tuple or list", value)
    items = tuple(value)
    if len(items) > MERKLE_BRANCH_MAX:
        raise ValueError(
            f"merkle_branch must have at most {MERKLE_BRANCH_MAX} items, has {len(items)}"
        )
    return tuple(
        as_sized(item, f"merkle_branch[{i}]", _DIGEST_SIZE) for i, item in enumerate(items)
    )
