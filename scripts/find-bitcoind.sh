#!/usr/bin/env bash
# find-bitcoind.sh: print the path of the bitcoind to use: $BITCOIND, else the one on PATH if it is
# version 25 or newer, else one of our own below .tools, fetched if need be.
set -euo pipefail
cd "$(dirname "$0")/.."

new_enough() {
    local version
    version=$("$1" -version 2>/dev/null | sed -nE '1s/.*v([0-9]+)\..*/\1/p')
    [ -n "$version" ] && [ "$version" -ge 25 ]
}

if [ -n "${BITCOIND:-}" ]; then
    new_enough "$BITCOIND" || { echo "find-bitcoind: $BITCOIND is no bitcoind of version 25 or newer" >&2; exit 1; }
    echo "$BITCOIND"
elif command -v bitcoind >/dev/null && new_enough "$(command -v bitcoind)"; then
    command -v bitcoind
else
    scripts/get-bitcoind.sh .tools/bitcoind
    echo "$PWD/.tools/bitcoind/bin/bitcoind"
fi
