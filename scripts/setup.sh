#!/usr/bin/env bash
# setup.sh runtime|dev|torture [VENV]: a virtual environment with the locked dependencies and poolserver built into it.
#
# Needs Python >= 3.11 and a C compiler. uv is used where it is there and works, plain pip otherwise.
# On Debian without python3-venv or python3-dev, what is missing is unpacked into .tools, no root needed.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?usage: setup.sh runtime|dev|torture [VENV]}
venv=${2:-.venv}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        "$candidate" -c 'import sys; print(sys.executable)'
        return
    done
    die "Python 3.11 or newer is needed and was not found; name one by PYTHON=/path/to/python3"
}

make_venv() {
    local python=$1
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
        return
    fi
    say "this Python has no ensurepip: taking pip from Debian's package"
    scripts/debian-package.sh .tools/pip python3-pip-whl || die "install python3-venv and try again"
    "$python" -m venv --clear --without-pip "$venv" || die "install python3-venv and try again"
    local wheel
    wheel=$(find .tools/pip -name 'pip-*.whl' | head -n 1)
    PYTHONPATH=$wheel "$venv/bin/python" -m pip install --quiet --no-index "$wheel"
}

# The extension needs Python.h, which Debian keeps in a package of its own.
find_headers() {
    local version
    "$venv/bin/python" -c '
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' && return
    version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "Python.h is not there: taking it from Debian's package libpython$version-dev"
    scripts/debian-package.sh ".tools/headers-$version" "libpython$version-dev" ||
        die "install python3-dev and try again"
    export C_INCLUDE_PATH="$PWD/.tools/headers-$version/usr/include/python$version:$PWD/.tools/headers-$version/usr/include"
}

install_locked() {
    local lock=requirements/$kind.txt
    if command -v uv >/dev/null &&
        uv pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"; then
        return
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
}

command -v "${CC:-cc}" >/dev/null || die "a C compiler is needed (gcc or clang): install gcc and libc6-dev"
case $kind in runtime | dev | torture) ;; *) die "usage: setup.sh runtime|dev|torture [VENV]" ;; esac
make_venv "$(find_python)"
find_headers
install_locked
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
"$venv/bin/python" -c 'import poolserver._native' || die "poolserver does not import"
