"""Bech32 and bech32m, the checksummed base 32 of segwit addresses (BIP173, BIP350).

The text is a human-readable part, the separator ``1``, and data in groups of five bits, one
character each; the last six characters are the checksum. The two encodings differ in one
constant of that checksum only.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

MAX_LENGTH = 90
"""BIP173: the checksum is proven for texts of up to 90 characters."""

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GROUP_OF = {character: group for group, character in enumerate(_CHARSET)}
_CHECKSUM_SIZE = 6
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


class Encoding(Enum):
    """Which of the two a text is; the value is what its checksum comes to."""

    BECH32 = 1
    BECH32M = 0x2BC830A3


class Bech32Error(ValueError):
    """The text is not bech32, or not a segwit address; the message says why."""


class Bech32(NamedTuple):
    """A decoded text."""

    hrp: str
    """The human-readable part, in lower case."""
    groups: tuple[int, ...]
    """The data without the checksum: integers of five bits."""
    encoding: Encoding


class WitnessProgram(NamedTuple):
    """A decoded segwit address (BIP141)."""

    hrp: str
    """The human-readable part, in lower case."""
    version: int
    """The witness version, 0..16."""
    program: bytes
    """2..40 bytes; of version 0: 20 or 32."""


def encode(hrp: str, groups: Sequence[int], encoding: Encoding) -> str:
    """Write groups of five bits after a human-readable part, in lower case.

    Raises:
        Bech32Error: the human-readable part is empty or of wrong characters, a group is
            not in 0..31, or the text would be longer than 90 characters.
    """
    if not hrp or not _is_printable(hrp) or hrp != hrp.lower():
        raise Bech32Error(f"{hrp!r} cannot be a human-readable part")
    if not all(0 <= group < 32 for group in groups):
        raise Bech32Error("a group has five bits: 0..31")
    if len(hrp) + 1 + len(groups) + _CHECKSUM_SIZE > MAX_LENGTH:
        raise Bech32Error(f"the text would be longer than {MAX_LENGTH} characters")
    checksum = _remainder(hrp, (*groups, *bytes(_CHECKSUM_SIZE))) ^ encoding.value
    tail = (checksum >> shift & 31 for shift in range(25, -1, -5))
    return hrp + "1" + "".join(_CHARSET[group] for group in (*groups, *tail))


def decode(text: str) -> Bech32:
    """Read a text of either encoding.

    Raises:
        Bech32Error: the text is neither bech32 nor bech32m.
    """
    if len(text) > MAX_LENGTH:
        raise Bech32Error(f"longer than {MAX_LENGTH} characters")
    if not _is_printable(text):
        raise Bech32Error("a character that is not printable ASCII")
    if text != text.lower() and text != text.upper():
        raise Bech32Error("mixed upper and lower case")
    hrp, separator, data = text.lower().rpartition("1")
    if not separator:
        raise Bech32Error("the separator '1' is missing")
    if not hrp:
        raise Bech32Error("nothing before the separator '1'")
    if len(data) < _CHECKSUM_SIZE:
        raise Bech32Error("too short to hold a checksum")
    for character in data:
        if character not in _GROUP_OF:
            raise Bech32Error(f"the character {character!r} is not used in bech32")
    groups = tuple(_GROUP_OF[character] for character in data)
    try:
        encoding = Encoding(_remainder(hrp, groups))
    except ValueError:
        raise Bech32Error("wrong checksum: a character is wrong or missing") from None
    return Bech32(hrp, groups[:-_CHECKSUM_SIZE], encoding)


def encode_witness(hrp: str, version: int, program: bytes) -> str:
    """Write the segwit address of a witness programme.

    >>> encode_witness("bc", 0, bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6"))
    'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'

    Raises:
        Bech32Error: there is no such version or not of that length.
    """
    _check_witness(version, program)
    return encode(hrp, (version, *_groups_from_bytes(program)), _encoding_of(version))


def decode_witness(text: str) -> WitnessProgram:
    """Read the segwit address of a witness programme, of any human-readable part.

    Raises:
        Bech32Error: the text is not bech32, has the encoding of another witness version,
            or a version or length that BIP141 does not know.
    """
    hrp, groups, encoding = decode(text)
    if not groups:
        raise Bech32Error("no witness version")
    version, program = groups[0], _bytes_from_groups(groups[1:])
    _check_witness(version, program)
    if encoding is not _encoding_of(version):
        due = _encoding_of(version).name.lower()
        raise Bech32Error(
            f"{encoding.name.lower()} where witness version {version} takes {due} (BIP350)"
        )
    return WitnessProgram(hrp, version, program)


def _encoding_of(version: int) -> Encoding:
    return Encoding.BECH32 if version == 0 else Encoding.BECH32M


def _check_witness(version: int, program: bytes) -> None:
    if not 0 <= version <= 16:
        raise Bech32Error(f"there is no witness version {version}")
    if not 2 <= len(program) <= 40:
        raise Bech32Error(f"a witness program has 2..40 bytes, not {len(program)}")
    if version == 0 and len(program) not in (20, 32):
        raise Bech32Error(f"a program of witness version 0 has 20 or 32 bytes, not {len(program)}")


def _is_printable(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def _groups_from_bytes(data: bytes) -> list[int]:
    """Cut bytes into groups of five bits, first bit first, zero bits added to fill the last."""
    size = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << (size * 5 - len(data) * 8)
    return [number >> 5 * index & 31 for index in reversed(range(size))]


def _bytes_from_groups(groups: Sequence[int]) -> bytes:
    """The reverse. BIP173: what is left over is at most four bits, all of them zero."""
    number = 0
    for group in groups:
        number = number << 5 | group
    size, spare = divmod(len(groups) * 5, 8)
    if spare > 4:
        raise Bech32Error("a character too many: more than four bits are left over")
    if number & ((1 << spare) - 1):
        raise Bech32Error("the bits that are left over are not zero")
    return (number >> spare).to_bytes(size, "big")


def _remainder(hrp: str, groups: Iterable[int]) -> int:
    """Divide the text, a polynomial over GF(32), by the code's generator: six groups remain."""
    high = [ord(character) >> 5 for character in hrp]
    low = [ord(character) & 31 for character in hrp]
    remainder = 1
    for group in (*high, 0, *low, *groups):
        remainder = (remainder & 0x1FFFFFF) << 5 ^ group ^ _CARRY[remainder >> 25]
    return remainder


def _carry(top: int) -> int:
    """What the group that is shifted out of the remainder adds to it: ``top`` x generator."""
    carry = 0
    for bit, multiple in enumerate(_GENERATOR):
        if top >> bit & 1:
            carry ^= multiple
    return carry


_CARRY = tuple(_carry(top) for top in range(32))
