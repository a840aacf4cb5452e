#!/usr/bin/env bash
# get-prometheus.sh DEST: Prometheus and promtool from this Debian's own release, below DEST/bin.
#
# No root needed, and the system is left alone: both are single programs that need the C library alone.
# Nothing is done where DEST has them already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$(realpath -m "${1:?usage: get-prometheus.sh DEST}")
works() { "$1/prometheus" --version >/dev/null 2>&1 && "$1/promtool" --version >/dev/null 2>&1; }
works "$dest/bin" && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'get-prometheus: %s\n' "$*" >&2; }

say "fetching Prometheus from Debian"
"$here/debian-package.sh" "$work/root" prometheus ||
    { say "could not fetch it; install Prometheus 2.42 or newer, or name its programs in PROMETHEUS and PROMTOOL"; exit 1; }
works "$work/root/usr/bin" || { say "what was fetched does not run here"; exit 1; }
rm -rf "$dest"
mkdir -p "$dest/bin"
cp "$work/root/usr/bin/"{prometheus,promtool} "$dest/bin/"
say "$("$dest/bin/prometheus" --version 2>&1 | head -n 1)"
