#!/usr/bin/env bash
# find-mosquitto.sh: print the path of a mosquitto, the MQTT broker that tests speak to, of version 2 or newer.
#
# The one that MOSQUITTO names, else the one on PATH or where Debian puts it, else one of our own
# below .tools, fetched if need be.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.tools/mosquitto

new_enough() {
    local version
    [ -x "$1" ] || return 1
    version=$("$1" -h 2>/dev/null | sed -nE '1s/.*version ([0-9]+)\..*/\1/p')
    [ -n "$version" ] && [ "$version" -ge 2 ]
}

if [ -n "${MOSQUITTO:-}" ]; then
    new_enough "$MOSQUITTO" || { echo "find-mosquitto: $MOSQUITTO is no mosquitto of version 2 or newer" >&2; exit 1; }
    echo "$MOSQUITTO"
    exit
fi
for program in "$(command -v mosquitto || true)" /usr/sbin/mosquitto /usr/local/sbin/mosquitto "$PWD/$own/bin/mosquitto"; do
    if new_enough "$program"; then
        echo "$program"
        exit
    fi
done
scripts/get-mosquitto.sh "$own" >&2
readlink -f "$own/bin/mosquitto"
