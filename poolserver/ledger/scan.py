"""Looks for whole records in bytes that are damaged."""

import re
from typing import BinaryIO

from poolserver._native import skip_records
from poolserver.ledger.records import FRAME_SIZE, KINDS

_WINDOW = 1 << 20
# A record has up to 64 KiB: one that begins in a window ends within so much behind it.
_LONGEST = FRAME_SIZE + (1 << 16)
_LAST_SEQUENCE = 2**63 - 1  # a file's name has room for more
_SEQUENCE_AT = FRAME_SIZE - 8
_KIND_AT = _SEQUENCE_AT - 1


def has_record(file: BinaryIO, size: int, sequence: int) -> bool:
    """Whether one of number ``sequence`` or later begins anywhere in the next ``size`` bytes.

    Of later numbers only so many are looked for as there is room for between. 64 MiB of damage
    take half a second, and of all bytes the least likely four.
    """
    numbers = range(sequence, min(sequence + size // FRAME_SIZE, _LAST_SEQUENCE) + 1)
    if not numbers:
        return False
    candidate = _candidates(numbers)
    window = b""
    while chunk := file.read(min(_WINDOW, size)):
        size -= len(chunk)
        window = window[-_LONGEST:] + chunk
        for found in candidate.finditer(window):
            begin = found.start() - _KIND_AT
            at = begin + _SEQUENCE_AT
            number = int.from_bytes(window[at : at + 8], "little")
            if (
                begin >= 0
                and number in numbers
                and skip_records(window, begin, number, begin + 1)[1]
            ):
                return True
    return False


def _candidates(numbers: range) -> re.Pattern[bytes]:
    """A kind, and behind it the high bytes of a sequence: what frames have in common."""
    highs = {number >> 32 for number in (numbers[0], numbers[-1])}
    high = b"|".join(re.escape(high.to_bytes(4, "little")) for high in sorted(highs))
    return re.compile(b"[" + re.escape(bytes(KINDS)) + b"](?=.{4}(?:" + high + b"))", re.DOTALL)
