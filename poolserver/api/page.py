"""Lists that are read in pages: where the next one begins is said by a cursor.

A cursor is opaque to whoever holds it: the key of the last item, in base64. It stays good while
items come and go, and a list never shows an item twice.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from poolserver.api.problem import ApiError

MOST_ITEMS = 1000
"""Of a page: 1,000 rigs are some 400 kB."""

Cursor = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9_-]*$", max_length=1000, description="`next` of the page before this."
    ),
]

T = TypeVar("T")
K = TypeVar("K")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """``next`` is the cursor of the page after this one; None: this is the last. ``total`` counts
    all items that were asked for, where that is known without reading them."""

    items: Sequence[T]
    next: str | None
    total: int | None = None


def page_of(items: Sequence[T], limit: int, key: Callable[[T], Any], total: int | None) -> Page[T]:
    """A page of up to ``limit`` of ``items``, which has one more if there are any beyond it."""
    shown = items[:limit]
    return Page(shown, cursor_of(key(shown[-1])) if len(items) > limit else None, total)


def cursor_of(key: Any) -> str:
    """The cursor of what comes after ``key``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def key_of(cursor: str | None, kind: type[K]) -> K | None:
    """The key that a cursor holds.

    Raises:
        ApiError: it is no cursor of ours.
    """
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=="), type=kind)
    except (ValueError, RecursionError):
        raise ApiError("bad_request", "cursor: take one from an earlier page, as it is") from None
