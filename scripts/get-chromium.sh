#!/usr/bin/env bash
# get-chromium.sh DEST: a browser (Chromium) from this Debian's own release, as DEST/bin/chromium.
#
# No root needed, and the system is left alone: libraries that this machine has not got go beside it,
# and a font, without which no text is drawn. Nothing is done where DEST has one already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$(realpath -m "${1:?usage: get-chromium.sh DEST}")
[ -x "$dest/bin/chromium" ] && "$dest/bin/chromium" --version 2>/dev/null | grep -q Chromium && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'get-chromium: %s\n' "$*" >&2; }

say "fetching Chromium and its libraries from Debian (some 150 MB)"
WITH_DEPENDENCIES=1 "$here/debian-package.sh" "$work/root" chromium fonts-dejavu-core ||
    { say "could not fetch it; install Chromium, or name its program in CHROMIUM"; exit 1; }
rm -rf "$dest"
mkdir -p "$dest/bin" "$dest/lib" "$dest/fonts"
cp -r "$work/root/usr/lib/chromium" "$dest/libexec"
cp -r "$work/root/usr/share/fonts/truetype/dejavu" "$dest/fonts/"
cp -r "$work/root/usr/share/X11/xkb" "$dest/xkb" 2>/dev/null || true

# A library may need another one that is missing too: look until none is. What is opened by name
# only (NSS's modules) is not found so, and is copied as it is.
cp -L "$work"/root/usr/lib/*/lib{nss,nspr,plc,plds,smime,ssl,softokn,freebl,freeblpriv,nssutil}*.so "$dest/lib/" 2>/dev/null || true
cp -L "$work"/root/usr/lib/*/nss/*.so "$dest/lib/" 2>/dev/null || true
missing() {
    find "$dest/libexec" "$dest/lib" -type f \( -name '*.so*' -o -perm -u+x \) -print0 |
        LD_LIBRARY_PATH=$dest/lib xargs -0 ldd 2>/dev/null | awk '/not found/{print $1}' | sort -u
}
while names=$(missing) && [ -n "$names" ]; do
    found=
    for name in $names; do
        library=$(find "$work/root" -name "$name" | head -n 1)
        [ -n "$library" ] || { say "$name is nowhere"; continue; }
        cp -L "$library" "$dest/lib/" && found=1
    done
    [ -n "$found" ] || exit 1
done
cat > "$dest/fonts.conf" <<CONF
<?xml version="1.0"?>
<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>$dest/fonts</dir><cachedir>$dest/fonts/cache</cachedir></fontconfig>
CONF
cat > "$dest/bin/chromium" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/..
export LD_LIBRARY_PATH="$root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" FONTCONFIG_FILE="$root/fonts.conf"
exec "$root/libexec/chromium" "$@"
WRAPPER
chmod +x "$dest/bin/chromium"
say "$("$dest/bin/chromium" --version)"
