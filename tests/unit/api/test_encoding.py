"""Large answers are encoded once, in short steps, and are the same bytes."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.api import encoding
from poolserver.api.encoding import AT_ONCE, Shared, encoded, encoded_in_steps


class Item(msgspec.Struct, frozen=True):
    name: str
    value: float


class View(msgspec.Struct, frozen=True, rename="camel"):
    at_s: float
    items: tuple[Item, ...]
    inner: "View | None" = None


class Sparse(msgspec.Struct, omit_defaults=True):
    a: int = 0


class Tagged(msgspec.Struct, tag="t"):
    a: int = 0


class Empty(msgspec.Struct):
    pass


items = st.lists(st.builds(Item, st.text(), st.floats()), max_size=3)


@given(st.floats(), items)
def test_in_steps_it_is_the_same(at_s: float, some: list[Item]) -> None:
    view = View(at_s, tuple(some), View(1.0, ()))
    for given_ in (view, some, [view], {"view": view}):
        assert encoded_in_steps(given_) == encoded(given_)


@pytest.mark.parametrize("given_", [Sparse(), Tagged(), Empty(), None, [], 3, "x", [None]])
def test_so_it_is_whatever_it_is(given_: Any) -> None:
    assert encoded_in_steps(given_) == encoded(given_)


@pytest.mark.parametrize("count", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
def test_so_it_is_however_long(count: int) -> None:
    view = View(0.0, tuple(Item(str(number), 0.0) for number in range(count)))
    assert encoded_in_steps(view) == encoded(view)


async def test_what_is_shared_is_encoded_once_until_there_is_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def counting(given_: object) -> encoding.Encoded:
        calls.append(given_)
        return encoded(given_)

    monkeypatch.setattr(encoding, "encoded_in_steps", counting)
    shared, view = Shared(), View(1.0, ())
    answers = await asyncio.gather(*(shared.encoded(view) for _ in range(50)))
    assert len(calls) == 1
    assert len(set(answers)) == 1
    assert await shared.encoded(View(2.0, ())) != answers[0]
    assert len(calls) == 2
