"""Lines of mining.submit that the lane takes, and such that it leaves to the plain path."""

from tests.unit._native.lane_world import (
    NTIME_MIN,
)

PARAMS = '["demo.rig","a1000abcdef01","0000000000000000","6923a0c0","00000000"]'.replace(
    "6923a0c0", f"{NTIME_MIN:08x}"
)
WITH_BITS = PARAMS.replace("]", ',"00002000"]')


def line_of(**members: str) -> bytes:
    text = {"id": "4", "method": '"mining.submit"', "params": PARAMS, **members}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in text.items()) + "}").encode()


TAKEN = {
    "as it comes from most": line_of(),
    "with version bits": line_of(params=WITH_BITS),
    "members in another order": (
        b'{"params":' + PARAMS.encode() + b',"id":4,"method":"mining.submit"}'
    ),
    "space between all": (
        b' \t\r{ "id"\t: 4 , "method" :\r"mining.submit" , "params" : [ '
        + b" , ".join(PARAMS[1:-1].encode().split(b","))
        + b" ] } \t"
    ),
    "an id of zero": line_of(id="0"),
    "an id of 18 digits": line_of(id="9" * 18),
    "hex digits of both cases": line_of(
        params=PARAMS.replace("0000000000000000", "aBcDeF0123456789")
    ),
    "as long as it may be": line_of() + b" " * (511 - len(line_of())),
}


def params_with(place: int, value: str) -> str:
    items = WITH_BITS[1:-1].split(",")
    items[place] = value
    return "[" + ",".join(items) + "]"


NOT_TAKEN = {
    "nothing": b" ",
    "no object": b"[]",
    "an object without members": b"{}",
    "cut short": line_of()[:-1],
    "bytes behind the object": line_of() + b"x",
    "a second object": line_of() + line_of(),
    "a byte order mark": b"\xef\xbb\xbf" + line_of(),
    "another method": line_of(method='"mining.submi"'),
    "a method that is longer": line_of(method='"mining.submit "'),
    "a method with an escape": line_of(method='"mining.subm\\u0069t"'),
    "no method": line_of().replace(b'"method":"mining.submit",', b""),
    "no id": line_of().replace(b'"id":4,', b""),
    "no params": line_of().replace(b',"params":' + PARAMS.encode(), b""),
    "a member twice": line_of().replace(b"{", b'{"id":4,', 1),
    "a member that is not known": line_of(jsonrpc='"2.0"'),
    "a key with an escape": line_of().replace(b'"id"', b'"\\u0069d"'),
    "a key without quotes": line_of().replace(b'"id"', b"id"),
    "single quotes": line_of().replace(b'"', b"'"),
    "a comma at the end": line_of().replace(b"}", b",}"),
    "a comma at the end of params": line_of(params=PARAMS.replace("]", ",]")),
    "no colon": line_of().replace(b":", b" ", 1),
    "an id of null": line_of(id="null"),
    "an id of text": line_of(id='"4"'),
    "an id below zero": line_of(id="-4"),
    "an id of minus zero": line_of(id="-0"),
    "an id with a fraction": line_of(id="4.0"),
    "an id with an exponent": line_of(id="4e0"),
    "an id with a leading zero": line_of(id="04"),
    "an id of two zeros": line_of(id="00"),
    "an id of 19 digits": line_of(id="1" * 19),
    "an id with a plus": line_of(id="+4"),
    "an id that is missing": line_of(id=""),
    "params that are an object": line_of(params="{}"),
    "params that are empty": line_of(params="[]"),
    "four parameters": line_of(params=PARAMS.rpartition(",")[0] + "]"),
    "seven parameters": line_of(params=WITH_BITS.replace("]", ',"x"]')),
    "version bits of null": line_of(params=params_with(5, "null")),
    "a nonce that is a number": line_of(params=params_with(4, "0")),
    "a nonce of 7 digits": line_of(params=params_with(4, '"0000000"')),
    "a nonce of 9 digits": line_of(params=params_with(4, '"000000000"')),
    "a nonce with 0x": line_of(params=params_with(4, '"0x000000"')),
    "a nonce with a space": line_of(params=params_with(4, '" 0000000"')),
    "an ntime with a letter too high": line_of(params=params_with(3, '"0000000g"')),
    "an extranonce2 that is shorter": line_of(params=params_with(2, '"00000000000000"')),
    "an extranonce2 that is longer": line_of(params=params_with(2, '"000000000000000000"')),
    "an extranonce2 of half a byte": line_of(params=params_with(2, '"000000000000000"')),
    "a name with an escape": line_of(params=params_with(0, '"demo\\u002erig"')),
    "a name beyond ASCII": line_of(params=params_with(0, '"démo.rig"')),
    "a name with a control character": line_of(params=params_with(0, '"demo.\x01rig"')),
    "a name with a tab": line_of(params=params_with(0, '"demo.\trig"')),
    "a name with a zero byte": line_of(params=params_with(0, '"demo.rig\x00"')),
    "another space": line_of().replace(b":", b":\x0b", 1),
    "longer than is looked at": line_of() + b" " * (513 - len(line_of())),
}
