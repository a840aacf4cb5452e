"""What comes in the query of a URL, by the types that an endpoint declares.

Each type has one spelling: what is mistyped is refused, and never taken for something else.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from multidict import MultiMapping

from poolserver.api.problem import ApiError

# No number that is asked for has more; a longer one need not be read.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_TRUTH: Mapping[str, bool] = {"true": True, "false": False}


def read_query(kind: type[msgspec.Struct], query: MultiMapping[str]) -> msgspec.Struct:
    """The parameters, as an object of ``kind``.

    Raises:
        ApiError: one is not known, not of its type, or given twice.
    """
    types = _types(kind)
    given: dict[str, object] = {}
    for name, text in query.items():
        if name in given:
            raise ApiError("bad_request", f"{name[:100]}: it is given twice")
        given[name] = _read(name, text, types.get(name))
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise ApiError("bad_request", str(error)[:500]) from None


def _read(name: str, text: str, kind: Any) -> object:
    if kind is bool:
        if (truth := _TRUTH.get(text)) is None:
            raise ApiError("bad_request", f"{name}: it must be true or false")
        return truth
    if kind is int:
        if _WHOLE_NUMBER.fullmatch(text) is None:
            raise ApiError("bad_request", f"{name}: it must be a whole number")
        return int(text)
    return text


@cache
def _types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {each.encode_name: plain_type(each.type) for each in msgspec.structs.fields(kind)}


def plain_type(kind: Any) -> Any:
    """Without annotations, and without None: a parameter that is not given is none."""
    if get_origin(kind) is Annotated:
        return plain_type(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        kinds = [each for each in get_args(kind) if each is not type(None)]
        return plain_type(kinds[0]) if len(kinds) == 1 else kind
    return kind
