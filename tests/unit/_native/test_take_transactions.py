"""take_transactions: what it takes, what it refuses, and in which words."""

import json
import random
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import twin

NOTHING = (b"",) * 7
TRANSACTION: dict[str, Any] = {
    "data": "0200aBcD",
    "txid": "00" + "11" * 30 + "fF",
    "hash": "22" * 32,
    "depends": [1, 2],
    "fee": 258,
    "sigops": 4,
    "weight": 70_000,
}
DIGITS = "0123456789abcdefABCDEF"


def answer_of(*transactions: object, **more: object) -> bytes:
    """As bitcoind writes it, without spaces."""
    result = {"version": 1, "transactions": transactions, "height": 7, **more}
    text = json.dumps({"result": result, "error": None, "id": 0}, separators=(",", ":"))
    return text.encode() + b"\n"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in TRANSACTION.items() if key != name}


def outcome(module: ModuleType, answer: bytes) -> Any:
    try:
        return module.take_transactions(answer)
    except ValueError as error:
        return str(error)


def fault(native: ModuleType, answer: bytes) -> str:
    with pytest.raises(ValueError, match=r" at byte [0-9]+$") as caught:
        native.take_transactions(answer)
    return str(caught.value)


def test_each_field_becomes_a_column(native: ModuleType) -> None:
    second = TRANSACTION | {"data": "ff", "fee": 2**63 - 1, "weight": 2**32 - 1, "sigops": 0}
    assert native.take_transactions(answer_of(TRANSACTION, second)) == (
        answer_of(),
        b"0200aBcDff",
        b"\4\0\0\0\1\0\0\0",
        2 * (b"\xff" + b"\x11" * 30 + b"\0"),
        b"\x22" * 64,
        b"\2\1\0\0\0\0\0\0" + b"\xff" * 7 + b"\x7f",
        b"\x70\x11\1\0\xff\xff\xff\xff",
        b"\4\0\0\0\0\0\0\0",
    )


def test_spaces_and_the_order_of_members_do_not_matter(native: ModuleType) -> None:
    transaction = json.dumps(dict(reversed(TRANSACTION.items())), indent=1)
    answer = f' {{"id" : [{{}}, []],\r\n\t"result": {{"transactions" :[ {transaction}\t]}} }}\n'
    rest, *columns = native.take_transactions(answer.encode())
    assert json.loads(rest) == {"id": [{}, []], "result": {"transactions": []}}
    assert columns == list(native.take_transactions(answer_of(TRANSACTION))[1:])


@pytest.mark.parametrize(
    "answer",
    [
        b'{"result":null,"error":{"code":-9,"message":"not \\"connected\\" \xe2\x80\xa6"},"id":0}',
        b'{"result":"bad-txns","error":null}',
        b'{"result":{"transactions":null},"error":null}',
        b'{"result":{"transactions":[]}}',
        b'{"result":{"coinbasetxn":{"transactions":[1]}}}',
        b'{"transactions":[1],"other":{"transactions":[2]}}',
        b'[{"result":{"transactions":[1]}}]',
        b" -1.5e+7 ",
    ],
)
def test_an_answer_without_transactions_comes_back_as_it_is(
    native: ModuleType, answer: bytes
) -> None:
    assert native.take_transactions(answer) == (answer, *NOTHING)


@pytest.mark.parametrize("name", ["data", "txid", "hash", "fee", "sigops", "weight"])
def test_a_field_that_is_missing_or_there_twice_is_named(native: ModuleType, name: str) -> None:
    answer = answer_of(TRANSACTION, without(name))
    begin = answer.rindex(b'{"')
    assert fault(native, answer) == f"a transaction without {name} at byte {begin}"
    again = answer_of(TRANSACTION).replace(b'"depends"', b'"%s"' % name.encode())
    assert fault(native, again).startswith(f"{name} is ")
    twice = answer_of(TRANSACTION)[: -len(b'}],"height":7},"error":null,"id":0}\n')]
    assert fault(native, twice + b',"%s":0' % name.encode()) == (
        f"{name} is there twice at byte {len(twice) + 1}"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("data", value) for value in ("", "0", "000", "0g", "00\n", "00 ", "\u0660", 0, None)),
        *(("txid", value) for value in ("", "00", "0" * 63, "0" * 65, "0" * 63 + "g", None, 7)),
        *(("hash", value) for value in ("", "0" * 62, "0" * 66, "-" + "0" * 63, [])),
        *(("fee", value) for value in (-1, 2**63, 2**64, 10**40, 1.0, 1e3, "1", True, None)),
        *(("sigops", value) for value in (-1, 2**32, 2**64 + 1, 0.5, {})),
        *(("weight", value) for value in (-1, 2**32, 2**64 + 1, "7", [7])),
    ],
)
def test_a_field_out_of_range_is_named_with_its_place(
    native: ModuleType, name: str, value: object
) -> None:
    answer = answer_of(TRANSACTION, TRANSACTION | {name: value})
    place = answer.rindex(b'"%s":' % name.encode()) + len(name) + 3
    text = fault(native, answer)
    assert text.startswith(f"{name} is not ")
    assert text.endswith(f" at byte {place}")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "not a JSON value at byte 0"),
        (b"{", "no key at byte 1"),
        (b'{"a"', "no ':' at byte 4"),
        (b'{"a":1', "no ',' or '}' at byte 6"),
        (b'{"a":1,}', "no key at byte 7"),
        (b"[1,]", "not a JSON value at byte 3"),
        (b"[1 2]", "no ',' or ']' at byte 3"),
        (b"[1]2", "more behind the value at byte 3"),
        (b"\xef\xbb\xbf{}", "not a JSON value at byte 0"),
        (b'"\x1f"', "not a JSON value at byte 0"),
        (b'"\\x"', "not a JSON value at byte 0"),
        (b'"\\u12g4"', "not a JSON value at byte 0"),
        (b'"\\', "not a JSON value at byte 0"),
        (b"[NaN]", "not a JSON value at byte 1"),
        (b"[01]", "no ',' or ']' at byte 2"),
        (b"[1.]", "not a JSON value at byte 1"),
        (b"[1.5.]", "no ',' or ']' at byte 4"),
        (b"[1e]", "not a JSON value at byte 1"),
        (b"[-]", "not a JSON value at byte 1"),
        (b"[tru", "not a JSON value at byte 1"),
        (b"[" * 65 + b"]" * 65, "nested too deep at byte 64"),
        (b'{"result":1,"result":2}', "result is there twice at byte 12"),
        (
            b'{"result":{"transactions":[],"transactions":[]}}',
            "transactions is there twice at byte 29",
        ),
        (b'{"r\\u0065sult":1}', "a key with an escape at byte 1"),
        (b'{"result":{"transactions":[7]}}', "a transaction that is not an object at byte 27"),
        (b'{"result":{"transactions":[,]}}', "a transaction that is not an object at byte 27"),
    ],
)
def test_what_is_not_an_answer_is_refused_with_its_place(
    native: ModuleType, answer: bytes, text: str
) -> None:
    assert fault(native, answer) == text


def test_an_answer_may_be_nested_64_deep(native: ModuleType) -> None:
    for answer in (b"[" * 64 + b"]" * 64, b'{"a":' * 63 + b"{}" + b"}" * 63):
        assert native.take_transactions(answer) == (answer, *NOTHING)


def test_each_cut_of_an_answer_is_refused(native: ModuleType) -> None:
    answer = answer_of(TRANSACTION, TRANSACTION).rstrip()
    for size in range(len(answer)):
        fault(native, answer[:size])


@pytest.mark.parametrize("answer", [bytearray(64), memoryview(b"{}"), "{}", None, 64, [1]])
def test_only_bytes_are_an_answer(native: ModuleType, answer: object) -> None:
    with pytest.raises(TypeError, match=f"^answer must be bytes, not {type(answer).__name__}$"):
        native.take_transactions(answer)


# --- against each other, and against the json module ----------------------------------------------

HEX = st.text(DIGITS, min_size=1, max_size=20).map(lambda half: half + half[::-1])
HASHES = st.text(DIGITS, min_size=64, max_size=64)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
TRANSACTIONS = st.fixed_dictionaries(
    {
        "data": HEX,
        "txid": HASHES,
        "hash": HASHES,
        "fee": st.integers(0, 2**63 - 1),
        "sigops": st.integers(0, 2**32 - 1),
        "weight": st.integers(0, 2**32 - 1),
    },
    optional={"depends": st.lists(st.integers(0, 9)), "more": JUNK},
)
RESULTS = st.fixed_dictionaries(
    {"transactions": st.lists(TRANSACTIONS, max_size=4)}, optional={"before": JUNK, "after": JUNK}
)
ANSWERS = st.builds(
    lambda result, spaced: json.dumps(
        {"result": result, "error": None},
        ensure_ascii=not spaced,
        indent=1 if spaced else None,
    ).encode("utf-8", "surrogatepass"),
    RESULTS,
    st.booleans(),
)


def mutated(answer: bytes, chance: random.Random) -> bytes:
    data = bytearray(answer)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[at : at + 1] = bytes([chance.choice(b'{}[]:,"\\0123-.eEtu \n\x00\xff')])
            case 1:
                del data[at : at + chance.randint(1, 9)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 60)]
            case 3:
                del data[at:]
    return bytes(data)


def json_says(answer: bytes) -> Any:
    """What Python's own decoder makes of an answer: its transactions, None where it has none.

    Raises:
        ValueError: it is not JSON.
    """

    def refuse(word: str) -> None:
        raise ValueError(word)

    # Latin 1 has each byte: what is in strings need not be UTF-8.
    whole = json.loads(answer.decode("latin-1"), parse_constant=refuse)
    result = whole.get("result") if isinstance(whole, dict) else None
    found = result.get("transactions") if isinstance(result, dict) else None
    return found if isinstance(found, list) else None


def is_json(answer: bytes) -> bool:
    try:
        json_says(answer)
    except ValueError:
        return False
    return True


@given(ANSWERS)
def test_the_columns_are_what_the_json_module_reads(native: ModuleType, answer: bytes) -> None:
    rest, data_hex, *columns = native.take_transactions(answer)
    transactions = json_says(answer)
    assert data_hex.decode() == "".join(each["data"] for each in transactions)
    fields = ("data", "txid", "hash", "fee", "weight", "sigops")
    for name, size, column in zip(fields, (4, 32, 32, 8, 4, 4), columns, strict=True):
        items = [column[i : i + size] for i in range(0, len(column), size)]
        due = [each[name] for each in transactions]
        if name == "data":
            assert [2 * int.from_bytes(item, "little") for item in items] == list(map(len, due))
        elif size == 32:
            assert [item[::-1].hex() for item in items] == [each.lower() for each in due]
        else:
            assert [int.from_bytes(item, "little") for item in items] == due
    whole = json.loads(answer.decode("latin-1"))
    whole["result"]["transactions"] = []
    assert json.loads(rest.decode("latin-1")) == whole


@given(ANSWERS, st.randoms(use_true_random=False))
def test_what_is_taken_is_json_and_c_and_twin_agree_on_the_rest(
    native: ModuleType, answer: bytes, chance: random.Random
) -> None:
    answer = mutated(answer, chance)
    said = outcome(native, answer)
    assert said == outcome(twin, answer)
    if isinstance(said, tuple):
        found = json_says(answer)
        assert len(said[2]) == 4 * len(found or ())
    elif not any(word in said for word in ("is not the", "is not an", "twice", "escape", "trans")):
        assert not is_json(answer)


@given(st.binary(max_size=60))
def test_any_bytes_come_to_the_same(native: ModuleType, answer: bytes) -> None:
    assert outcome(native, answer) == outcome(twin, answer)


# --- what only C can get wrong --------------------------------------------------------------------


def test_other_threads_run_while_an_answer_is_read(c: ModuleType) -> None:
    answer = answer_of(*[TRANSACTION | {"data": "00" * 2000}] * 2000)
    started, result = threading.Event(), []

    def take() -> None:
        started.set()
        result.append(c.take_transactions(answer))

    thread = threading.Thread(target=take)
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)  # so that this one gets the lock only when it is given up
    try:
        thread.start()
        started.wait()
        ran_before_the_end = not result
    finally:
        sys.setswitchinterval(before)
    thread.join()
    assert ran_before_the_end
    assert len(result[0][1]) == 8_000_000


def test_an_answer_without_transactions_is_not_copied(c: ModuleType) -> None:
    answer = b'{"result":null,"error":{"code":-9,"message":"x"}}'
    assert c.take_transactions(answer)[0] is answer
