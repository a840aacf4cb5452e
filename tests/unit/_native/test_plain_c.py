"""The plain C stands alone: it compiles without a warning, and its backends agree with the twin.

Where a cross compiler and qemu-user are installed the ARMv8 backend is run as well (on Debian:
gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user).
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from poolserver._native import twin

HERE = Path(__file__).parent
NATIVE = Path(twin.__file__).parent
C_FILES = sorted(set(NATIVE.glob("*.c")) - {NATIVE / "module.c"})
SOURCES = (HERE / "plain_c.c", *C_FILES)
FLAGS = (
    *("-std=c11", "-O3", f"-I{NATIVE}"),
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"),
)

# The sizes of coinb2 and the branches of shares that are hashed in one call, two at a time.
SHARE_SHAPES = (
    *((138, 2), (138, 2), (0, 2), (138, 2), (144, 0)),
    *((7, 5), (8, 1), (6, 4), (138, 8)),
)

ARM_COMPILER, ARM_EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
COMPILERS = [pytest.param(("cc",), (), id="this-machine")]
if shutil.which(ARM_COMPILER) and shutil.which(ARM_EMULATOR):
    # Static: the emulator has no ARM libraries to load.
    COMPILERS.append(pytest.param((ARM_COMPILER, "-static"), (ARM_EMULATOR,), id="armv8"))


@pytest.mark.real
@pytest.mark.parametrize(("compiler", "runner"), COMPILERS)
def test_each_backend_says_what_the_twin_says(
    compiler: tuple[str, ...], runner: tuple[str, ...], tmp_path: Path
) -> None:
    if not shutil.which(compiler[0]):
        pytest.skip(f"there is no C compiler named {compiler[0]}")
    program = tmp_path / "plain_c"
    subprocess.run([*compiler, *FLAGS, "-o", program, *SOURCES], check=True)
    output = subprocess.run([*runner, program], check=True, capture_output=True, text=True).stdout
    reports = [report.split("\n", 1) for report in output.split("backend ")[1:]]
    names = [name for name, _report in reports]
    assert names[-1] == "portable"
    assert "armv8" in names or not runner
    for _name, report in reports:
        assert report == expected_report()


def expected_report() -> str:
    data = bytes(range(256))
    lines = [f"sha256d {size} {twin.sha256d(data[:size]).hex()}" for size in range(201)]
    lines += [f"pairs {n} {twin.sha256d_pairs(data[: 64 * n]).hex()}" for n in (1, 2, 3)]
    for i, (coinb2_size, branch_count) in enumerate(SHARE_SHAPES):
        branch = [data[32 * n : 32 * n + 32] for n in range(branch_count)]
        coinb2 = data[112 : 112 + coinb2_size]
        job = twin.JobHasher(data[:100], coinb2, branch, bytes(32), 7, bytes(32))
        hash_le, *_ = job.check(data[100:112], 0x20000000, 1000, 2**32 - 1 - i, bytes(32))
        lines.append(f"share {coinb2_size} {branch_count} {hash_le.hex()}")
    nonces = twin.scan_nonces(bytes(80), 2**32 - 50, 101, b"\xff" * 31 + b"\x0f")
    lines.append(" ".join(["nonces", *map(str, nonces)]))
    return "\n".join(lines) + "\n"
