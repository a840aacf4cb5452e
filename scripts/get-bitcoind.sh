#!/usr/bin/env bash
# get-bitcoind.sh DEST: a real bitcoind (Bitcoin Knots, from Debian's newest suites) below DEST/bin.
#
# The packages are unpacked with the loader and the libraries they were built for, so they run on an
# older Debian and the system is left alone. No root needed. Nothing is done where DEST has one already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$(realpath -m "${1:?usage: get-bitcoind.sh DEST}")
[ -x "$dest/bin/bitcoind" ] && "$dest/bin/bitcoind" -version >/dev/null 2>&1 && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'get-bitcoind: %s\n' "$*" >&2; }

unpacked=
for suite in forky sid; do
    say "fetching bitcoin-knots and its libraries from Debian $suite"
    SUITE=$suite WITH_DEPENDENCIES=1 "$here/debian-package.sh" "$work/root" bitcoin-knots && unpacked=1 && break
done
[ -n "$unpacked" ] || { say "could not fetch it; install a bitcoind of version 25 or newer and put it on PATH"; exit 1; }

loader=$(find "$work/root/usr" -name 'ld-linux-*.so.*' -type f | head -n 1)
libraries=$(dirname "$(find "$work/root" -name libc.so.6 | head -n 1)")
mkdir -p "$dest/bin" "$dest/lib" "$dest/libexec"
cp -L "$loader" "$dest/lib/ld.so"
for program in bitcoind bitcoin-cli; do
    cp "$work/root/usr/bin/$program" "$dest/libexec/"
    "$loader" --library-path "$libraries:$libraries/systemd" --list "$work/root/usr/bin/$program" |
        awk '/=> \//{print $3}' | xargs -r cp -Lt "$dest/lib"
    cat > "$dest/bin/$program" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/..
exec "$root/lib/ld.so" --library-path "$root/lib" "$root/libexec/$(basename "$0")" "$@"
WRAPPER
    chmod +x "$dest/bin/$program"
done
say "$("$dest/bin/bitcoind" -version | head -n 1)"
