"""Each test that asks for `native` runs on every C backend and on the Python twin."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from poolserver._native import twin

try:
    from poolserver._native import _sharecheck as extension
except ModuleNotFoundError:  # not built: the twin is what runs then
    extension = None  # type: ignore[assignment]

# Backends that this CPU lacks are no skips: no set-up could provide them here.
BACKENDS = ("not built",) if extension is None else extension.BACKENDS


@pytest.fixture(scope="module", params=[*(f"c:{name}" for name in BACKENDS), "python"])
def native(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """One implementation, its backend in use. Module-wide, so that hypothesis may ask for it."""
    if request.param == "python":
        yield twin
        return
    module = _extension()
    before = module.backend()
    module.set_backend(request.param.removeprefix("c:"))
    yield module
    module.set_backend(before)


@pytest.fixture(scope="module")
def c() -> ModuleType:
    """The extension on its best backend, for what only C can get wrong."""
    return _extension()


def _extension() -> ModuleType:
    if extension is None:
        pytest.skip("the extension is not built")
    return extension
