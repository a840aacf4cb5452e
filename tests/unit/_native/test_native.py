"""What the package exports, and how a backend is chosen."""

import subprocess
import sys
from inspect import signature
from types import ModuleType

import pytest

from poolserver import _native
from poolserver._native import twin

WITHOUT_EXTENSION = """
import sys
sys.modules["poolserver._native._sharecheck"] = None
from poolserver import _native
from poolserver._native import twin
assert _native.IMPLEMENTATION == "python"
assert not _native.HAS_WIRE
assert all(getattr(_native, name) is getattr(twin, name) for name in _native.__all__[3:])
"""


def test_the_package_exports_the_extension(c: ModuleType) -> None:
    assert _native.IMPLEMENTATION == "c"
    for name in set(_native.__all__) - {"IMPLEMENTATION", "HAS_WIRE"}:
        assert getattr(_native, name) is getattr(c, name)


def test_the_twin_stands_in_where_the_extension_is_missing() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_EXTENSION], check=True)


@pytest.mark.parametrize(
    "name",
    [
        "sha256d",
        "sha256d_pairs",
        "scan_nonces",
        "set_backend",
        "take_transactions",
        "pack_share",
        "skip_records",
        "sum_shares",
    ],
)
def test_the_twin_has_the_parameters_of_the_extension(c: ModuleType, name: str) -> None:
    ours = signature(getattr(twin, name)).parameters
    theirs = signature(getattr(c, name)).parameters
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in theirs.values()]


def test_each_name_of_the_extension_has_a_docstring(c: ModuleType) -> None:
    documented = [c, c.JobHasher, c.JobHasher.check, c.sha256d, c.sha256d_pairs, c.scan_nonces]
    documented += [c.take_transactions, c.pack_share, c.skip_records, c.sum_shares]
    documented += [c.backend, c.set_backend]
    assert all(item.__doc__ for item in documented)


def test_the_portable_backend_is_always_there_and_the_last_choice(c: ModuleType) -> None:
    assert c.BACKENDS[-1] == "portable"


def test_each_backend_can_be_chosen(native: ModuleType) -> None:
    before = native.backend()
    for name in native.BACKENDS:
        native.set_backend(name)
        assert native.backend() == name
    native.set_backend(before)


@pytest.mark.parametrize("name", ["", "sha-n", "sha-nix", "portable\0", "PORTABLE", "\ud800", "é"])
def test_a_backend_that_is_not_there_is_refused_and_nothing_changes(
    native: ModuleType, name: str
) -> None:
    before = native.backend()
    with pytest.raises(ValueError, match=r"^no backend .* on this CPU$"):
        native.set_backend(name)
    assert native.backend() == before


@pytest.mark.parametrize("name", [None, b"portable", 0])
def test_a_backend_is_named_by_a_str(native: ModuleType, name: object) -> None:
    with pytest.raises(TypeError, match=f"^name must be str, not {type(name).__name__}$"):
        native.set_backend(name)


def test_a_job_outlives_a_change_of_backend(c: ModuleType) -> None:
    job = c.JobHasher(b"head" * 20, b"tail" * 40, (bytes(32),), bytes(32), 1, bytes(32))
    before = c.backend()
    results = []
    for name in c.BACKENDS:
        c.set_backend(name)
        results.append(job.check(b"extranonce", 1, 2, 3, bytes(32)))
    c.set_backend(before)
    assert results == [results[0]] * len(c.BACKENDS)
