"""Journal files: one source's records from some sequence on, append-only.

A file begins with a header, little-endian: magic ``POOLJRNL``, format version u16, length of
the source's name u16, first sequence u64, the source in UTF-8, CRC-32 u32 of all of it.
Records follow (records.py). A source's files may overlap: after a failed sync the journal
writes what was not yet safe once more, to a new file.
"""

import re
from struct import Struct
from typing import NamedTuple
from urllib.parse import quote
from zlib import crc32

from poolserver.ledger.records import TornTail

MAGIC = b"POOLJRNL"
FORMAT_VERSION = 1
SUFFIX = ".journal"

_HEADER = Struct("<8sHHQ")
_CRC = Struct("<I")
_NAME = re.compile(rf"(.+)-(\d{{20}})-\d{{6,}}{re.escape(SUFFIX)}")


class SegmentId(NamedTuple):
    """What a file holds, and its name: files of one source sort in the order of writing."""

    source: str
    first_sequence: int
    ordinal: int
    """The how-many-th file of its source it is: two may begin at one sequence."""

    @property
    def file_name(self) -> str:
        return f"{file_stem(self.source)}-{self.first_sequence:020d}-{self.ordinal:06d}{SUFFIX}"


def file_stem(source: str) -> str:
    """How the names of a source's files begin."""
    return quote(source.replace("/", "."), safe="")


def named_as(file_name: str) -> tuple[str, int] | None:
    """What a file's name alone tells of a journal's: file_stem() of its source, and its first
    sequence. None where it is no such name."""
    found = _NAME.fullmatch(file_name)
    return None if found is None else (found[1], int(found[2]))


def encode_header(identity: SegmentId) -> bytes:
    """The bytes that open a file."""
    source = identity.source.encode()
    header = _HEADER.pack(MAGIC, FORMAT_VERSION, len(source), identity.first_sequence) + source
    return header + _CRC.pack(crc32(header))


def decode_header(data: bytes) -> tuple[str, int, int]:
    """The source, the first sequence and the offset at which the records begin.

    Raises:
        TornTail: no journal file begins like this.
    """
    if len(data) < _HEADER.size:
        raise TornTail(0, "its header is cut short")
    magic, version, source_size, first_sequence = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise TornTail(0, "this is not a share journal")
    if version != FORMAT_VERSION:
        raise TornTail(
            0, f"journal format {version} is unknown, this program reads {FORMAT_VERSION}"
        )
    end = _HEADER.size + source_size
    if data[end : end + _CRC.size] != _CRC.pack(crc32(data[:end])):
        raise TornTail(0, "its header is damaged")
    return data[_HEADER.size : end].decode(errors="replace"), first_sequence, end + _CRC.size
