"""Each test that asks for `native` runs on every C backend and on the Python twin."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from poolserver._native import twin

try:
    from poolserver._native import _sharecheck as extension
except ModuleNotFoundError:  # not built: the twin is what runs then
    extension = None  # type: ignore[assignment]

IMPLEMENTATIONS = ("c:sha-ni", "c:armv8", "c:portable", "python")


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def native(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """One implementation, its backend in use. Module-wide, so that hypothesis may ask for it."""
    if request.param == "python":
        yield twin
        return
    module = _extension()
    backend = request.param.removeprefix("c:")
    if backend not in module.BACKENDS:
        pytest.skip(f"this CPU has no {backend}")
    before = module.backend()
    module.set_backend(backend)
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
