"""The Stratum library's own tests run on this codec too; here is what only it can get wrong."""

import pytest

from poolserver._vendor.asyncio_stratum import CodecError, StdlibCodec
from poolserver.server.msgspec_codec import MsgspecCodec

LINES = [
    b'{"id":1,"method":"mining.ping","params":[]}',
    b'{"id":1,"method":"mining.ping","params":[],"jsonrpc":"2.0"}',
    b'{"id":[],"id":1,"more":{"a":[1.5,null]}}',
]
BAD_MEMBERS = [b'"\xff"', b"1e999", b"9" * 5000, b'"\\ud800"', b"[" * 2000]


@pytest.mark.parametrize("line", LINES)
def test_it_decodes_what_the_default_codec_decodes(line: bytes) -> None:
    ours, default = MsgspecCodec().decode(line), StdlibCodec().decode(line)
    for member in ("id", "method", "params", "result", "error"):
        assert getattr(ours, member) == getattr(default, member)


@pytest.mark.parametrize("value", BAD_MEMBERS, ids=lambda value: repr(value[:8]))
@pytest.mark.parametrize("name", [b"id", b"unknown"])
def test_a_bad_value_is_seen_in_members_that_nobody_reads(name: bytes, value: bytes) -> None:
    with pytest.raises(CodecError):
        MsgspecCodec().decode(b'{"%b":%b}' % (name, value))


def test_what_is_no_object_is_no_message() -> None:
    for line in (b"[]", b"1", b"", b"{"):
        with pytest.raises(CodecError, match="not"):
            MsgspecCodec().decode(line)
