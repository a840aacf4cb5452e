#!/usr/bin/env bash
# find-docker-compose.sh: print the path of a docker-compose of version 2, which checks compose files without an engine.
#
# The one that DOCKER_COMPOSE names, else the one on PATH or where Docker keeps its plugins, else one of our
# own below .tools, fetched if need be: a single program, from Debian's newest suites, for 12 has version 1 alone.
set -euo pipefail
cd "$(dirname "$0")/.."
own=$PWD/.tools/docker-compose
plugins=libexec/docker/cli-plugins/docker-compose

new_enough() { [ -n "$1" ] && [ -x "$1" ] && "$1" version --short 2>/dev/null | grep -qE '^v?([2-9]|[1-9][0-9])\.'; }

if [ -n "${DOCKER_COMPOSE:-}" ]; then
    new_enough "$DOCKER_COMPOSE" || { echo "find-docker-compose: $DOCKER_COMPOSE is no docker-compose of version 2" >&2; exit 1; }
    echo "$DOCKER_COMPOSE"
    exit
fi
for path in "$(command -v docker-compose || true)" /usr/{,local/}{lib,libexec}/docker/cli-plugins/docker-compose "$own/usr/$plugins"; do
    if new_enough "$path"; then
        echo "$path"
        exit
    fi
done
for suite in forky sid; do
    SUITE=$suite scripts/debian-package.sh "$own" docker-compose >&2 && new_enough "$own/usr/$plugins" && break
done
new_enough "$own/usr/$plugins" ||
    { echo "find-docker-compose: could not fetch it; install it, or name it in DOCKER_COMPOSE" >&2; exit 1; }
echo "$own/usr/$plugins"
