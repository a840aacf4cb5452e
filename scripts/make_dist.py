"""make_dist.py DEST: the source archive and a wheel of it, the same bytes whoever makes them.

Needs `build`, which makes both in environments of their own; the wheel is made from the archive
alone, so without git and without this folder. Times in both are those of SOURCE_DATE_EPOCH.
The wheel is for this platform (abi3: one for Python 3.11 and all that follow). How wheels for other
platforms are made is told in docs/contributing.md.
"""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path


def normalized(archive: bytes, epoch: int) -> bytes:
    """A .tar.gz with the same files: in order, of nobody in particular, all of one moment."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            entry.pax_headers = {}
            new.addfile(entry, old.extractfile(entry) if entry.isfile() else None)
    return out.getvalue()


def last_commit_or_now() -> int:
    """The moment of the last commit; now, where there is no git."""
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 and done.stdout else int(time.time())


def main(dest: Path) -> None:
    """Make both."""
    root = Path(__file__).parents[1]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or last_commit_or_now())
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    build = [sys.executable, "-m", "build", "--outdir", str(dest)]
    subprocess.run([*build, "--sdist", str(root)], check=True, stdout=sys.stderr)
    (source,) = dest.glob("*.tar.gz")
    source.write_bytes(normalized(source.read_bytes(), epoch))
    unpacked = dest / "unpacked"
    with tarfile.open(source) as archive:
        archive.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    subprocess.run([*build, "--wheel", str(tree)], check=True, stdout=sys.stderr, env=environment)
    subprocess.run(["rm", "-rf", str(unpacked)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
