#!/usr/bin/env bash
# find-prometheus.sh [promtool]: print the path of a prometheus, or of a promtool, of version 2.42 or newer.
#
# The one that PROMETHEUS (or PROMTOOL) names, else the one on PATH, else one of our own below
# .tools, fetched if need be.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.tools/prometheus
program=${1:-prometheus}
case $program in
    prometheus) named=${PROMETHEUS:-} ;;
    promtool) named=${PROMTOOL:-} ;;
    *) echo "usage: find-prometheus.sh [promtool]" >&2; exit 2 ;;
esac

# Older ones lack functions and fields of the rules, as keep_firing_for.
new_enough() {
    local version
    [ -n "$1" ] && [ -x "$1" ] || return 1
    version=$("$1" --version 2>&1 | sed -nE '1s/.*version ([0-9]+\.[0-9]+).*/\1/p')
    [ -n "$version" ] && [ "$(printf '2.42\n%s\n' "$version" | sort -V | head -n 1)" = 2.42 ]
}

if [ -n "$named" ]; then
    new_enough "$named" || { echo "find-prometheus: $named is no $program of version 2.42 or newer" >&2; exit 1; }
    echo "$named"
    exit
fi
for path in "$(command -v "$program" || true)" "$PWD/$own/bin/$program"; do
    if new_enough "$path"; then
        echo "$path"
        exit
    fi
done
scripts/get-prometheus.sh "$own" >&2
readlink -f "$own/bin/$program"
