"""Every test that asks for a codec runs on each; every test of an adapter runs on each loop."""

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import pytest

from .. import Codec
from .helpers import CODECS

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

LOOPS: dict[str, LoopFactory] = {"asyncio": asyncio.SelectorEventLoop}
try:
    import uvloop
except ModuleNotFoundError:
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    return LOOPS


@pytest.fixture(scope="session", params=CODECS, ids=lambda codec: type(codec).__name__)
def codec(request: pytest.FixtureRequest) -> Codec:
    return cast(Codec, request.param)
