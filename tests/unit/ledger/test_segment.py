import pytest

from poolserver.ledger.records import TornTail
from poolserver.ledger.segment import SegmentId, decode_header, encode_header

SOURCE = "pool-1/0/17"


def test_a_header_has_these_bytes() -> None:
    assert encode_header(SegmentId("a/0/1", 7, 0))[:-4].hex() == (
        "504f4f4c4a524e4c" "0100" "0500" "0700000000000000" "612f302f31"
    )  # fmt: skip


def test_every_cut_and_every_flipped_bit_of_a_header_is_detected() -> None:
    header = bytearray(encode_header(SegmentId(SOURCE, 7, 0)))
    assert decode_header(bytes(header)) == (SOURCE, 7, len(header))
    for size in range(len(header)):
        with pytest.raises(TornTail):
            decode_header(bytes(header[:size]))
    for place in range(len(header) * 8):
        header[place // 8] ^= 1 << place % 8
        with pytest.raises(TornTail):
            decode_header(bytes(header))
        header[place // 8] ^= 1 << place % 8


def test_an_instance_may_have_any_name() -> None:
    name = SegmentId("../ü/0/17", 1, 0).file_name
    assert "/" not in name
    assert name == "...%C3%BC.0.17-00000000000000000001-000000.journal"


def test_a_format_of_a_newer_version_is_told() -> None:
    header = bytearray(encode_header(SegmentId(SOURCE, 1, 0)))
    header[8] = 2
    with pytest.raises(TornTail, match="format 2 is unknown"):
        decode_header(bytes(header))
