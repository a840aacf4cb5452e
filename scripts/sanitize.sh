#!/usr/bin/env bash
# sanitize.sh [PYTEST ARGUMENTS]: the tests of poolserver/_native on C code built with AddressSanitizer and UBSan.
#
# Needs gcc, and a Python with the dev dependencies, named by PYTHON (.venv/bin/python by default).
# Works on a copy in a temporary folder: the extension that is in use is not touched.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
python=$(cd "$(dirname "$(command -v "$python")")" && pwd)/$(basename "$python")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/poolserver" "$work/tests/unit"
cp poolserver/__init__.py "$work/poolserver/"
cp -r poolserver/_native "$work/poolserver/"
cp -r tests/unit/_native "$work/tests/unit/"
cp pyproject.toml "$work/"
rm -f "$work"/poolserver/_native/*.so
cd "$work"

native=poolserver/_native
# -O1 keeps the stack traces readable; -fno-sanitize-recover turns each finding of UBSan into a failure.
gcc -shared -fPIC -std=c11 -O1 -g -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=all -DPy_LIMITED_API=0x030B0000 \
    -I"$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
    $native/*.c -o $native/_sharecheck.abi3.so

# Python is not built with the sanitizers: their runtimes must be loaded before it.
# detect_leaks=0: CPython keeps much until its end, and LeakSanitizer would report that;
# test_memory.py counts what our code leaves behind.
# PYTHONMALLOC=malloc: an arena of Python's own allocator would hide a read past the end of a bytes object.
run() {
    env LD_PRELOAD="$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)" \
        ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
        PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$work" "$python" "$@"
}

run -c '
import sys
from poolserver._native import _sharecheck
assert _sharecheck.__file__.startswith(sys.argv[1]), _sharecheck.__file__
' "$work"
# As in tests/conftest.py, which is not here: a machine that is busy makes an example slow, and no rule wrong.
cat > patient.py <<'PLUGIN'
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
PLUGIN
run -m pytest -q -p no:cacheprovider -p patient tests/unit/_native "$@"
