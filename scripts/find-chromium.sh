#!/usr/bin/env bash
# find-chromium.sh: print the path of a chromium, the browser that the live page is tested in.
#
# The one that CHROMIUM names, else the one on PATH, else one of our own below .tools, fetched if need be.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.tools/chromium

runs() {
    [ -x "$1" ] && "$1" --version 2>/dev/null | grep -qE '(Chromium|Chrome) [0-9]'
}

if [ -n "${CHROMIUM:-}" ]; then
    runs "$CHROMIUM" || { echo "find-chromium: $CHROMIUM is no chromium that runs here" >&2; exit 1; }
    echo "$CHROMIUM"
    exit
fi
for program in "$(command -v chromium || true)" "$PWD/$own/bin/chromium"; do
    if runs "$program"; then
        echo "$program"
        exit
    fi
done
scripts/get-chromium.sh "$own" >&2
readlink -f "$own/bin/chromium"
