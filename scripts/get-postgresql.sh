#!/usr/bin/env bash
# get-postgresql.sh DEST: a PostgreSQL server from this Debian's own release, with DEST/bin its programs.
#
# No root needed, and the system is left alone. PostgreSQL finds its files from where its program
# is, so the tree stays as it is packaged; libraries that this machine has not got go beside it.
# Nothing is done where DEST has one already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$(realpath -m "${1:?usage: get-postgresql.sh DEST}")
[ -x "$dest/bin/postgres" ] && "$dest/bin/postgres" --version >/dev/null 2>&1 && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'get-postgresql: %s\n' "$*" >&2; }

say "fetching PostgreSQL and its libraries from Debian"
WITH_DEPENDENCIES=1 "$here/debian-package.sh" "$work/root" postgresql ||
    { say "could not fetch it; install PostgreSQL 13 or newer, or name its programs' folder in POSTGRESQL_BIN"; exit 1; }
tree=$(printf '%s\n' "$work"/root/usr/lib/postgresql/*/ | sort -V | tail -n 1)
version=$(basename "$tree")
rm -rf "$dest"
mkdir -p "$dest/usr/lib/postgresql" "$dest/usr/share/postgresql" "$dest/lib"
cp -a "$tree" "$dest/usr/lib/postgresql/"
cp -a "$work/root/usr/share/postgresql/$version" "$dest/usr/share/postgresql/"

# A library may need another one that is missing too: look until none is.
programs="$dest/usr/lib/postgresql/$version/bin"
missing() {
    find "$programs"/{initdb,postgres,pg_ctl} "$dest/lib" -type f -print0 |
        LD_LIBRARY_PATH=$dest/lib xargs -0 ldd | awk '/not found/{print $1}' | sort -u
}
while names=$(missing) && [ -n "$names" ]; do
    for name in $names; do
        cp -L "$(find "$work/root" -name "$name" | head -n 1)" "$dest/lib/"
    done
done
mkdir "$dest/usr/lib/postgresql/$version/libexec"
for program in initdb postgres pg_ctl; do
    mv "$programs/$program" "$dest/usr/lib/postgresql/$version/libexec/"
    cat > "$programs/$program" <<'WRAPPER'
#!/usr/bin/env bash
# The name that it is called by tells it where its files are: that of this script.
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
export LD_LIBRARY_PATH="$(readlink -f "$here/../../../../../lib")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
program=$(basename "$0")
exec -a "$here/$program" "$here/../libexec/$program" "$@"
WRAPPER
    chmod +x "$programs/$program"
done
ln -s "usr/lib/postgresql/$version/bin" "$dest/bin"
chmod -R a+rX "$dest"
say "$("$dest/bin/postgres" --version)"
