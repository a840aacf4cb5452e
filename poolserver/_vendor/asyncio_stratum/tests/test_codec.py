import pytest

from .. import Codec, CodecError
from ..codec import MAX_BRACKETS, nests_too_deep


def test_all_members_are_given_and_missing_ones_are_none(codec: Codec) -> None:
    envelope = codec.decode(b'{"id":7,"method":"m","params":[1.5,null],"jsonrpc":"2.0"}')
    assert (envelope.id, envelope.method, envelope.params) == (7, "m", [1.5, None])
    assert (envelope.result, envelope.error) == (None, None)


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"id":123456789012345678901234567890}', 123456789012345678901234567890),
        (b'{"id":-9223372036854775809}', -9223372036854775809),
        (b'{"id":-0}', 0),
        (b' {"id" :\t"a" } \r', "a"),
        (b'{"i\\u0064":"\\ud83d\\ude00"}', "\N{GRINNING FACE}"),
        (b'{"id":[],"id":2}', 2),
        (b'{"id":"\x7f\xc3\xa9"}', "\x7fé"),
        (b'{"id":1e-400}', 0.0),
        (b"{}", None),
    ],
)
def test_what_is_odd_but_json_is_taken(codec: Codec, line: bytes, request_id: object) -> None:
    decoded = codec.decode(line).id
    assert (type(decoded), decoded) == (type(request_id), request_id)


NOT_JSON = {
    "nothing": b"",
    "a list": b"[1]",
    "a number": b"1",
    "a BOM": b'\xef\xbb\xbf{"id":1}',
    "UTF-16": '{"id":1}'.encode("utf-16"),
    "a NUL behind": b'{"id":1}\x00',
    "more behind": b'{"id":1}{}',
    "a last comma": b'{"id":1,}',
    "half of it": b'{"id":1',
    "single quotes": b"{'id':1}",
    "a control character": b'{"id":"a\x01"}',
    "an unknown escape": b'{"id":"\\q"}',
    "a leading zero": b'{"id":01}',
    "a plus sign": b'{"id":+1}',
    "no digit behind the point": b'{"id":1.}',
    "5,000 digits": b'{"id":%b}' % (b"9" * 5000),
}
# What a decoder may let pass where it has no use for the value, it must see there too.
BAD_VALUES = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "out of range": b"1e999",
    "half a surrogate pair": b'"\\ud800"',
    "a pair in the wrong order": b'"\\ude00\\ud83d"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "overlong UTF-8": b'"\xc0\x80"',
    "no UTF-8": b'"\xff"',
    "too many digits": b"9" * 5000,
}


@pytest.mark.parametrize("line", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_object_is_refused(codec: Codec, line: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(line)


@pytest.mark.parametrize(
    "place", [b'{"id":%b}', b'{"x":%b}', b'{"params":[{"x":%b}]}', b'{"id":%b,"id":1}']
)
@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_is_refused_wherever_it_stands(
    codec: Codec, value: bytes, place: bytes
) -> None:
    with pytest.raises(CodecError):
        codec.decode(place % value)


@pytest.mark.parametrize("name", [b'"\\ud800"', b'"\xff"'])
def test_a_bad_name_is_refused(codec: Codec, name: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(b'{"id":1,%b:1}' % name)


def test_nesting_without_end_is_refused(codec: Codec) -> None:
    for opening in (b"[", b'{"a":'):
        with pytest.raises(CodecError):
            codec.decode(b'{"x":' + opening * 100_000)


def test_each_codec_nests_as_deep_as_the_library_lets_pass(codec: Codec) -> None:
    depth = MAX_BRACKETS - 1
    line = b'{"params":' + b"[" * depth + b"]" * depth + b"}"
    assert not nests_too_deep(line)
    assert nests_too_deep(b"[" + line)
    assert type(codec.decode(line).params) is list


def test_encoding_is_compact_and_escapes_only_what_json_demands(codec: Codec) -> None:
    value = {"a": [1, None, True, 'é"\\\n\x01\x7f/'], "b": 2**80}
    expected = '{"a":[1,null,true,"é\\"\\\\\\n\\u0001\x7f/"],"b":1208925819614629174706176}'
    assert codec.encode(value) == expected.encode()
