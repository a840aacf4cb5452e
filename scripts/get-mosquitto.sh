#!/usr/bin/env bash
# get-mosquitto.sh DEST: an MQTT broker (Mosquitto) from this Debian's own release, as DEST/bin/mosquitto.
#
# No root needed, and the system is left alone: libraries that this machine has not got go beside it.
# Nothing is done where DEST has one already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$(realpath -m "${1:?usage: get-mosquitto.sh DEST}")
[ -x "$dest/bin/mosquitto" ] && "$dest/bin/mosquitto" -h 2>/dev/null | grep -q version && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'get-mosquitto: %s\n' "$*" >&2; }

say "fetching Mosquitto and its libraries from Debian"
WITH_DEPENDENCIES=1 "$here/debian-package.sh" "$work/root" mosquitto ||
    { say "could not fetch it; install Mosquitto 2, or name its program in MOSQUITTO"; exit 1; }
rm -rf "$dest"
mkdir -p "$dest/bin" "$dest/lib" "$dest/libexec"
cp "$work/root/usr/sbin/mosquitto" "$dest/libexec/"

# A library may need another one that is missing too: look until none is.
missing() {
    find "$dest/libexec" "$dest/lib" -type f -print0 |
        LD_LIBRARY_PATH=$dest/lib xargs -0 ldd | awk '/not found/{print $1}' | sort -u
}
while names=$(missing) && [ -n "$names" ]; do
    for name in $names; do
        cp -L "$(find "$work/root" -name "$name" | head -n 1)" "$dest/lib/"
    done
done
cat > "$dest/bin/mosquitto" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/..
export LD_LIBRARY_PATH="$root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$root/libexec/mosquitto" "$@"
WRAPPER
chmod +x "$dest/bin/mosquitto"
say "$("$dest/bin/mosquitto" -h 2>/dev/null | head -n 1)"
