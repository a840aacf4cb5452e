"""try_image.py [FOLDER]: run the Dockerfile's own steps in clean roots, without a container engine.

For root on Debian, with the network. Each stage is a copy of a fresh Debian 12 with its Python
(debootstrap), each RUN is run in it by chroot, each COPY takes what .dockerignore lets in. What
comes out is run as the image would be: as its user, on a read-only root, without a capability, in
namespaces of its own, with a tmpfs for /dev/shm and a volume for the data, beside a regtest node.

It shows that the steps are right on that Debian. It does not show that the Dockerfile's base image
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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
SUITE, PACKAGES = "bookworm", "python3,python3-venv,python3-dev,ca-certificates"
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
    """Whether .dockerignore lets it in: by the last pattern that fits it or a folder of it."""
    places = (PurePosixPath(path), *PurePosixPath(path).parents)
    is_in = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if pattern == "*" or any(place.match(pattern) for place in places):
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
    mounts = 'mount -t proc proc $0/proc; mount --bind /dev $0/dev; exec chroot $0 /bin/sh -c "$1"'
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
        files = (
            [taken] if taken.is_file() else [path for path in taken.rglob("*") if path.is_file()]
        )
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
    """A shell in it, as `docker run --read-only --cap-drop ALL` has it but for the network."""
    root, (uid, gid) = shlex.quote(str(stage.root)), stage.user.split(":")
    mounts = f"""
        mount --bind {root} {root} && mount -t proc proc {root}/proc &&
        mount --bind /dev {root}/dev && mount -t tmpfs -o size=64m,mode=1777 shm {root}/dev/shm &&
        mount --bind {shlex.quote(str(volume))} {root}/var/lib/poolserver &&
        mount -o remount,bind,ro {root} &&
        exec chroot {root} /usr/bin/setpriv --reuid={uid} --regid={gid} --clear-groups \\
            --bounding-set=-all --inh-caps=-all --no-new-privs /bin/sh -c "cd {stage.workdir} && $0"
    """
    path = stage.env["PATH"] + ":/usr/sbin:/sbin:/bin"
    environment = {"HOME": "/var/lib/poolserver", **stage.env, "PATH": path}
    namespaces = ["--mount", "--pid", "--ipc", "--fork"]
    run("unshare", *namespaces, "sh", "-c", mounts, script, env=environment)


IN_THE_IMAGE = """
id; grep CapEff /proc/self/status
touch /forbidden 2>/dev/null || echo 'the root is read-only'
command -v pip gcc || echo 'there is no pip and no compiler'
poolserver version
poolserver check-config /etc/poolserver/poolserver.toml || exit 1
{start} & pool=$!
for _ in $(seq 60); do sleep 1; {health} 2>/dev/null && break; done
{health} || exit 1
echo 'it is healthy'
poolserver simulate --user demo --rigs 1 --th-s 0.0000001 --watts 1 --seconds 5 >/dev/null
python -c "import urllib.request as u
text = u.urlopen('http://127.0.0.1:9333/metrics').read().decode()
print(*[line for line in text.splitlines() if line.startswith('poolserver_blocks_total')])"
kill -TERM $pool; wait $pool; echo "it ended with $?"; ls -A
"""


@contextmanager
def regtest_node(stage: Stage, folder: Path) -> Iterator[None]:
    """A bitcoind for it, as in configs/compose/, but on this machine's loopback."""
    bitcoind = subprocess.check_output([ROOT / "scripts/find-bitcoind.sh"], text=True).strip()
    shutil.rmtree(folder / "node", ignore_errors=True)
    (folder / "node").mkdir()
    cookie = stage.root / "run/rpc/.cookie"
    cookie.parent.mkdir(parents=True, exist_ok=True)
    options = ["-regtest", f"-datadir={folder / 'node'}", f"-rpccookiefile={cookie}", "-listen=0"]
    more = ["-rpccookieperms=all", "-zmqpubhashblock=tcp://127.0.0.1:28332"]
    node = subprocess.Popen([bitcoind, *options, *more], stdout=subprocess.DEVNULL)
    settings = (ROOT / "configs/compose/regtest/poolserver.toml").read_text()
    place = stage.root / "etc/poolserver/poolserver.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(settings.replace("//bitcoind:", "//127.0.0.1:"))
    try:
        yield
    finally:
        node.terminate()
        node.wait()


def main() -> None:
    """All of it; any step that fails ends it."""
    given = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else None
    folder = given or Path(tempfile.mkdtemp(prefix="poolserver-image-"))
    folder.mkdir(parents=True, exist_ok=True)
    stage = built(folder)
    size = subprocess.check_output(["du", "-sm", stage.root / "venv"], text=True).split()[0]
    say(f"/venv has {size} MB; now as the image would run")
    volume = folder / "volume"
    shutil.rmtree(volume, ignore_errors=True)
    run("cp", "-a", stage.root / "var/lib/poolserver", volume)  # as an engine fills a new volume
    health = shlex.join(json.loads(stage.config["HEALTHCHECK"].split("CMD ", 1)[1]))
    start = shlex.join(json.loads(stage.config["ENTRYPOINT"]) + json.loads(stage.config["CMD"]))
    with regtest_node(stage, folder):
        run_as_image(stage, IN_THE_IMAGE.format(start=start, health=health), volume)
    if given is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
