#!/usr/bin/env bash
# debian-package.sh DEST PACKAGE...: fetch packages of this Debian release and unpack them below DEST.
#
# Without root and without touching the system: apt works in a private root, on the mirror that
# this machine is set up with; apt checks the signatures by Debian's own keyring.
set -euo pipefail
dest=${1:?usage: debian-package.sh DEST PACKAGE...}
shift
command -v apt-get >/dev/null || { echo "debian-package: this is no Debian: apt-get is not there" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
: > "$work/status"
apt=(apt-get -qq -o "Dir::State=$work" -o "Dir::State::status=$work/status" -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none)
"${apt[@]}" update
mkdir -p "$dest"
cd "$work"
"${apt[@]}" download "$@"
cd "$OLDPWD"
for archive in "$work"/*.deb; do
    dpkg-deb -x "$archive" "$dest"
done
