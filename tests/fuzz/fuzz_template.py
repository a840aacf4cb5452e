"""The answer to getblocktemplate, any bytes: C and its twin say the same, and take JSON alone."""

import json
from contextlib import nullcontext
from typing import Any

from poolserver._native import take_transactions, twin

# One transaction has in each column behind the first, which is its data.
ITEM_SIZES = (4, 32, 32, 8, 4, 4)

watching = nullcontext
"""Hold this around all inputs."""


def one_input(data: bytes) -> None:
    """Read one answer.

    Raises:
        AssertionError: the two differ, or take what they should not; all else is a bug too.
    """
    taken = outcome(take_transactions, data)
    assert taken == outcome(twin.take_transactions, data), "C and its twin differ"
    if isinstance(taken, str):
        return
    # Latin 1 has each byte: what is in strings need not be UTF-8.
    whole = json.loads(data.decode("latin-1"))
    found = transactions_of(whole)
    rest, data_hex, *columns = taken
    assert data_hex.decode() == "".join(each["data"] for each in found), "not the data"
    for column, size in zip(columns, ITEM_SIZES, strict=True):
        assert len(column) == size * len(found), "a column of another length"
    assert not transactions_of(json.loads(rest.decode("latin-1"))), "some are left behind"


def outcome(take: Any, data: bytes) -> Any:
    try:
        return take(data)
    except ValueError as error:
        return str(error)


def transactions_of(whole: Any) -> list[Any]:
    result = whole.get("result") if isinstance(whole, dict) else None
    found = result.get("transactions") if isinstance(result, dict) else None
    return found if isinstance(found, list) else []
