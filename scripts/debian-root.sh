#!/usr/bin/env bash
# debian-root.sh DEST SUITE PACKAGE...: a fresh Debian below DEST, with these packages; made once. For root on Debian.
#
# It has this machine's certificates of authorities, so that what this machine trusts is trusted there.
set -euo pipefail
dest=$(realpath -m "${1:?usage: debian-root.sh DEST SUITE PACKAGE...}")
suite=${2:?usage: debian-root.sh DEST SUITE PACKAGE...}
shift 2
[ -e "$dest/.whole" ] && exit 0
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"$(dirname "$0")/debian-package.sh" "$tool" debootstrap
packages=$(IFS=,; echo "ca-certificates${*:+,$*}")
printf 'debian-root: a fresh Debian %s below %s; this takes minutes\n' "$suite" "$dest" >&2
rm -rf "$dest"
DEBOOTSTRAP_DIR=$tool/usr/share/debootstrap sh "$tool/usr/sbin/debootstrap" \
    --variant=minbase --include="$packages" "$suite" "$dest" > "$tool/log" ||
    { tail -n 20 "$tool/log" >&2; exit 1; }
cp /etc/ssl/certs/ca-certificates.crt "$dest/etc/ssl/certs/"
touch "$dest/.whole"
