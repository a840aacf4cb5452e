#!/usr/bin/env bash
# try-arm.sh [PYTEST ARGUMENTS]: the C code built for ARMv8, and its tests run by an ARM Python under qemu.
#
# Needs a cross compiler and qemu's emulator of programs (Debian: gcc-aarch64-linux-gnu, qemu-user), and a
# Python with the dev dependencies, named by PYTHON (.venv/bin/python by default). The ARM Python comes from
# Debian's packages into .tools, without root; what the tests need that is not Python alone is fetched for ARM.
# Hypothesis tries few examples of each rule: the emulator is some twenty times as slow. What the emulator
# does not show is the order in which an ARM's cores see each other's memory.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { printf 'try-arm: %s\n' "$*" >&2; exit 1; }
compiler=${ARM_CC:-aarch64-linux-gnu-gcc}
emulator=${ARM_EMULATOR:-qemu-aarch64}
command -v "$compiler" >/dev/null && command -v "$emulator" >/dev/null ||
    die "there is no $compiler or no $emulator: install gcc-aarch64-linux-gnu and qemu-user"
python=${PYTHON:-.venv/bin/python}
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')

root=$PWD/.tools/arm
if [ ! -x "$root/usr/bin/python3" ]; then
    ARCH=arm64 WITH_DEPENDENCIES=1 scripts/debian-package.sh "$root" python3 || die "there is no ARM Python to be had"
fi
arm_python=$(realpath "$root/usr/bin/python3")
version=$(basename "$arm_python" | tr -d 'a-z')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{poolserver,tests/unit,arm}
cp poolserver/__init__.py "$work/poolserver/"
cp -r poolserver/_native "$work/poolserver/"
cp -r tests/unit/_native "$work/tests/unit/"
rm -f "$work"/poolserver/_native/*.so
sed -n '/^hypothesis==/,/[^\\]$/p' requirements/dev.txt > "$work/hypothesis.txt"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --platform manylinux2014_aarch64 --python-version "$version" --target "$work/arm" -r "$work/hypothesis.txt"

# Compiled as setuptools does it: with all optimization, which is where a compiler shows what is undefined.
"$compiler" -shared -fPIC -std=c11 -O3 -Wall -Wextra -Wno-missing-field-initializers -Werror \
    -DPy_LIMITED_API=0x030B0000 -I"$include" poolserver/_native/*.c \
    -o "$work/poolserver/_native/_sharecheck.abi3.so"

cat > "$work/few_examples.py" <<'PLUGIN'
from hypothesis import settings

settings.register_profile("few", max_examples=15, deadline=None)
settings.load_profile("few")
PLUGIN
cat > "$work/pytest.ini" <<'SETTINGS'
[pytest]
addopts = -q -p no:cacheprovider -p _hypothesis_pytestplugin -p few_examples --import-mode=importlib
pythonpath = .
markers =
    real: needs a real outside part
    slow: takes more than a second
SETTINGS

run() {
    env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$work:$work/arm:$site" \
        "$emulator" -L "$root" "$arm_python" "$@"
}

cd "$work"
run -c '
import platform
from poolserver import _native
print(platform.machine(), "Python", platform.python_version(), "backends", *_native.BACKENDS)
assert "armv8" in _native.BACKENDS
'
# Left out: what starts a compiler or another Python, which would be one of this machine; and what calls
# everything hundreds of times to count references, the same on each machine.
run -m pytest tests/unit/_native --ignore tests/unit/_native/test_plain_c.py --ignore tests/unit/_native/test_memory.py \
    --deselect tests/unit/_native/test_native.py::test_the_twin_stands_in_where_the_extension_is_missing "$@"
