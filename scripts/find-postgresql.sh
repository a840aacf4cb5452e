#!/usr/bin/env bash
# find-postgresql.sh: print the folder of the programs of a PostgreSQL of version 13 or newer:
# $POSTGRESQL_BIN, else where the server on PATH really is, else the newest that Debian or Ubuntu
# has installed, else one of our own below .tools, fetched if need be.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.tools/postgresql

new_enough() {
    local version
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    version=$("$1/postgres" --version 2>/dev/null | sed -nE '1s/.* ([0-9]+)[.a-z].*/\1/p')
    [ -n "$version" ] && [ "$version" -ge 13 ]
}

if [ -n "${POSTGRESQL_BIN:-}" ]; then
    new_enough "$POSTGRESQL_BIN" ||
        { echo "find-postgresql: no PostgreSQL of version 13 or newer in $POSTGRESQL_BIN" >&2; exit 1; }
    echo "$POSTGRESQL_BIN"
    exit
fi
candidates=()
if program=$(command -v postgres); then
    candidates+=("$(dirname "$(readlink -f "$program")")")
fi
while read -r folder; do
    candidates+=("$folder")
done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
candidates+=("$PWD/$own/bin")
for folder in "${candidates[@]}"; do
    if new_enough "$folder"; then
        echo "$folder"
        exit
    fi
done
scripts/get-postgresql.sh "$own" >&2
readlink -f "$own/bin"
