#!/usr/bin/env bash
# debian-package.sh DEST PACKAGE...: fetch Debian packages and unpack them below DEST.
#
# Without root and without touching the system: apt works in a private root, on the mirror that this
# machine is set up with, and checks the signatures by Debian's own keyring.
# SUITE is the release to take them from, ARCH the kind of machine (this one's by default); with WITH_DEPENDENCIES=1 all
# that they depend on comes too.
set -euo pipefail
dest=$(realpath -m "${1:?usage: debian-package.sh DEST PACKAGE...}")
shift
die() { printf 'debian-package: %s\n' "$*" >&2; exit 1; }
command -v apt-get >/dev/null || die "this is no Debian: there is no apt-get"
sources=(/etc/apt/sources.list.d/debian.sources /etc/apt/sources.list)
mirror=$(awk '/^URIs:/{print $2; exit} $1=="deb"{for(i=2;i<=NF;i++)if($i~/^http/){print $i;exit}}' \
    "${sources[@]}" 2>/dev/null || true)
[ -n "$mirror" ] || die "no Debian mirror in ${sources[*]}"
suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
arch=${ARCH:-$(dpkg --print-architecture)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,etc,parts}
: > "$work/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/etc/sources.list"
apt=(apt-get -qq -o "Dir::State=$work" -o "Dir::State::status=$work/status" -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o "Dir::Etc::SourceList=$work/etc/sources.list" -o "Dir::Etc::SourceParts=$work/parts"
    -o Dir::Etc::Preferences=/dev/null -o "Dir::Etc::PreferencesParts=$work/parts" -o Dir::Etc::Trusted=/nonexistent
    -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none -o APT::Install-Recommends=false)
"${apt[@]}" update
if [ -n "${WITH_DEPENDENCIES:-}" ]; then
    "${apt[@]}" -y --download-only install "$@" >&2
else
    (cd "$work/cache/archives" && "${apt[@]}" download "$@")
fi
mkdir -p "$dest"
for archive in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$archive" "$dest"
done
