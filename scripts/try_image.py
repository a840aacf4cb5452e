"""try_image.py [FOLDER]: run the Dockerfile's own steps in clean roots, where no container engine is.

For root on Debian, with the network: each stage is a copy of a fresh Debian 12 with its Python
(debootstrap), each RUN is run in it by chroot, each COPY takes what .dockerignore lets in. What comes
out is run as the image would be: as its user, on a read-only root, without a capability, in namespaces
of its own, with a tmpfs for /dev/shm and a volume for the data. A regtest node is started for it.

It shows that the steps are right on that Debian. It does not show that the base image of the Dockerfile
is there, nor what an engine makes of it: no image is built.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITE, PACKAGES = "bookworm", "python3,python3-venv,ca-certificates"
HANDED_IN = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
HANDED_ENV = ("PIP_CERT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


@dataclass
class Stage:
    """A root, and what the image would say of it."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    config: dict[str, str] = field(default_factory=dict)


def say(text: str) -> None:
    print(f"try_image: {text}", flush=True)


def run(*command: str | Path, **more: object) -> None:
    subprocess.run(list(map(str, command)), check=True, **more)  # type: ignore[call-overload]


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """(word, rest) of each, with its continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def let_in(path: str) -> bool:
    """Whether .dockerignore lets it in: the last pattern that fits it or a folder of it."""
    parts = path.split("/")
    heads = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    is_in = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!").rstrip("/")
        if pattern and not line.startswith("#"):
            plain = pattern.removeprefix("**/")
            names = [*heads, *parts] if plain != pattern else heads
            if any(fnmatch(name, plain) and (plain == "*" or "/" not in plain or name.count("/") == plain.count("/")) for name in names):
                is_in = line.startswith("!")
    return is_in


def fresh_debian(folder: Path) -> Path:
    """What stands for the base image; made once."""
    base = folder / "base"
    if not (base / "usr/bin/python3").exists():
        say(f"a fresh Debian {SUITE} below {base}")
        tool = folder / "debootstrap"
        run(ROOT / "scripts/debian-package.sh", tool, "debootstrap")
        program = tool / "usr/sbin/debootstrap"
        environment = os.environ | {"DEBOOTSTRAP_DIR": str(tool / "usr/share/debootstrap")}
        options = ["--variant=minbase", f"--include={PACKAGES}", SUITE, str(base)]
        run("sh", program, *options, env=environment, stdout=subprocess.DEVNULL)
        (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for name in HANDED_IN:
        shutil.copyfile(name, base / name[1:])
    return base


def in_root(stage: Stage, command: str) -> None:
    """As RUN does: a shell in the root."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    handed = {name: os.environ[name] for name in HANDED_ENV if name in os.environ}
    env = {"PATH": path, "HOME": "/root", **handed, **stage.env}
    inside = f"cd {shlex.quote(stage.workdir)} && {command}"
    mounts = "mount -t proc proc $0/proc; mount --bind /dev $0/dev; exec chroot $0 /bin/sh -c \"$1\""
    run("unshare", "--mount", "--pid", "--fork", "sh", "-c", mounts, stage.root, inside, env=env)


def copy(rest: str, stage: Stage, stages: dict[str, Stage]) -> None:
    """COPY [--from=STAGE] SOURCE... DEST"""
    words = rest.split()
    origin = None
    if words[0].startswith("--from="):
        origin = stages[words.pop(0).removeprefix("--from=")].root
    *sources, dest = words
    target = stage.root / os.path.normpath(os.path.join(stage.workdir, dest)).lstrip("/")
    for source in sources:
        taken = origin / source.lstrip("/") if origin else ROOT / source
        into = target / Path(source).name if dest.endswith("/") else target
        into.parent.mkdir(parents=True, exist_ok=True)
        if origin:
            run("cp", "-a", taken, into)
            continue
        files = [taken] if taken.is_file() else [path for path in taken.rglob("*") if path.is_file()]
        for path in files:
            if let_in(path.relative_to(ROOT).as_posix()):
                place = into / path.relative_to(taken) if taken.is_dir() else into
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)


def built(folder: Path) -> Stage:
    """The last stage, after all steps."""
    base = fresh_debian(folder)
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        say(f"{word} {rest[:100]}")
        if word == "FROM":
            name = rest.split(" AS ")[-1] if " AS " in rest else "last"
            shutil.rmtree(folder / name, ignore_errors=True)
            run("cp", "-a", base, folder / name)
            stage = stages[name] = Stage(folder / name)
        elif word == "RUN":
            in_root(stage, rest)
        elif word == "COPY":
            copy(rest, stage, stages)
        elif word == "ENV":
            pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
            known = {"PATH": "/usr/local/bin:/usr/bin:/bin", **stage.env}
            stage.env |= {k: v.replace("$PATH", known["PATH"]) for k, v in pairs.items()}
        elif word == "WORKDIR":
            stage.workdir = rest
            (stage.root / rest[1:]).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        else:
            stage.config[word] = rest
    return stage


def run_as_image(stage: Stage, script: str, volume: Path) -> None:
    """A shell in it as `docker run --read-only --cap-drop ALL` would have it; the network is ours."""
    data = stage.root / "var/lib/poolserver"
    mounts = (
        f"mount --bind {stage.root} {stage.root} && mount -t proc proc {stage.root}/proc"
        f" && mount --bind /dev {stage.root}/dev && mount -t tmpfs -o size=64m shm {stage.root}/dev/shm"
        f" && mount --bind {volume} {data} && mount -o remount,bind,ro {stage.root}"
        ' && exec setpriv --bounding-set=-all --no-new-privs chroot --userspec="$1" "$2" /bin/sh -c "$3"'
    )
    if "/dev/shm" not in Path("/proc/mounts").read_text():
        (Path("/dev/shm")).mkdir(exist_ok=True)
    env = {"HOME": "/var/lib/poolserver", **stage.env}
    run("unshare", "--mount", "--pid", "--fork", "--ipc", "sh", "-c", mounts, "sh", stage.user,
        stage.root, f"cd {stage.workdir} && {script}", env=env)  # fmt: skip


def main() -> None:
    """All of it; any step that fails ends it."""
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    folder = given or Path(tempfile.mkdtemp(prefix="poolserver-image-"))
    folder.mkdir(parents=True, exist_ok=True)
    stage = built(folder)
    size = subprocess.run(["du", "-sm", stage.root / "venv"], capture_output=True, text=True).stdout
    say(f"/venv is {size.split()[0]} MB")
    volume = folder / "volume"
    shutil.rmtree(volume, ignore_errors=True)
    run("cp", "-a", stage.root / "var/lib/poolserver", volume)  # as an engine fills a new volume
    (stage.root / "etc/poolserver").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "configs/compose/poolserver.regtest.toml", stage.root / "etc/poolserver/poolserver.toml")
    health = shlex.join(json.loads(stage.config["HEALTHCHECK"].split("CMD ", 1)[1]))
    start = shlex.join(
        json.loads(stage.config["ENTRYPOINT"]) + json.loads(stage.config["CMD"])
    )
    say("as the image would run: id, write to the root, version, the pool, its health check, SIGTERM")
    run_as_image(stage, f"""
        id; grep CapEff /proc/self/status
        ! touch /forbidden 2>/dev/null && echo 'the root is read-only'
        ! command -v pip gcc && echo 'no compiler, no pip'
        poolserver version && poolserver check-config /etc/poolserver/poolserver.toml || exit 1
        {start} & pool=$!
        for i in $(seq 60); do sleep 1; {health} 2>/dev/null && break; done
        {health} && echo 'healthy' || exit 1
        poolserver simulate --user demo --rigs 1 --th-s 0.0000001 --watts 1 --seconds 5 >/dev/null
        python -c "import urllib.request as u; print([l for l in u.urlopen('http://127.0.0.1:9333/metrics').read().decode().splitlines() if l.startswith('poolserver_shares_total') and 'accepted' in l][0])"
        kill -TERM $pool; wait $pool; echo "ended with $?"; ls -A
    """, volume)  # fmt: skip
    if given is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
