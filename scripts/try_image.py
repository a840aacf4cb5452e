"""try_image.py [--stand-ins FOLDER]: build the image and run the composition, by a real engine.

Needs a Docker engine (DOCKER_HOST says where it is) and ports 3333 and 9333 of this machine. The
composition of configs/compose/ is built, started, looked at, mined at, upgraded, stopped and
started again, on regtest, as docs/container.md says; at the end its volumes and networks are
removed.

Where no registry can be reached, --stand-ins makes the images that are named, under their names:
the Dockerfile's base from a fresh Debian 12 (kept in FOLDER; for root on Debian), node and
Prometheus from what scripts/get-bitcoind.sh and find-prometheus.sh bring. Grafana is left out. That
shows that Dockerfile and composition are right; not that such images are there, or what is in them.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "configs/compose"
PROJECT = "poolserver-try"
POOL = f"{PROJECT}-poolserver-1"
PYTHON = ("python3", "python3-venv", "python3-dev")
SERVICES = ("bitcoind", "poolserver", "prometheus", "grafana")

# What of their makers' images the composition goes by: users, programs, folders.
NODE = """FROM {base}
COPY bitcoind /opt/bitcoind
RUN ln -s /opt/bitcoind/bin/* /usr/local/bin/ && useradd --uid 101 --create-home bitcoin
"""
PROMETHEUS = """FROM {base}
RUN apt-get update && apt-get install --yes --no-install-recommends wget \\
    && install --directory --owner=65534 --group=65534 /prometheus
COPY prometheus /bin/prometheus
USER 65534:65534
ENTRYPOINT ["/bin/prometheus"]
"""
CONFINED = """
id -u; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
touch /forbidden || echo 'the root is read-only'
command -v pip gcc || echo 'there is no pip and no compiler'
poolserver version
"""


def say(text: str) -> None:
    print(f"try_image: {text}", flush=True)


def told(*command: str | Path, **more: object) -> str:
    """What it writes; it must end with 0."""
    words = list(map(str, command))
    return subprocess.check_output(words, text=True, **more)  # type: ignore[call-overload, no-any-return]


class Composition:
    """configs/compose/ as a project of its own."""

    def __init__(self, services: tuple[str, ...], folder: Path) -> None:
        self.services = services
        program = told(ROOT / "scripts/find-docker-compose.sh").strip()
        self._command = [program, "--project-name", PROJECT, "-f", str(COMPOSE / "compose.yml")]
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard < 65536:  # an engine in a machine that may not raise it cannot either
            say(f"this machine lets a process open {hard} files: so does the composition")
            over = folder / "limits.yml"
            over.write_text(f"services: {{poolserver: {{ulimits: !override {{nofile: {hard}}}}}}}")
            self._command += ["-f", str(over)]

    def __call__(self, *words: str) -> str:
        return told(*self._command, *words, stderr=subprocess.STDOUT)

    def up(self) -> None:
        self("up", "--detach", "--build", "--wait", *self.services)

    def height(self) -> int:
        """Of the node's chain."""
        options = ("-conf=/etc/bitcoin/bitcoin.conf", "-datadir=/home/bitcoin")
        return int(self("exec", "bitcoind", "bitcoin-cli", *options, "getblockcount"))


def stand_ins(folder: Path) -> None:
    """Images from this machine, under the names that Dockerfile and composition have for them."""
    (base,) = re.findall(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    root, context = folder / "base", folder / "context"
    told(ROOT / "scripts/debian-root.sh", root, "bookworm", *PYTHON)
    python = root / "usr/local/bin/python"
    python.unlink(missing_ok=True)
    python.symlink_to("/usr/bin/python3")
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as packing:
        # What this machine has pip trust, for the builder is behind the same proxies.
        trust = "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt"
        told("docker", "import", "--change", trust, "-", base, stdin=packing.stdout)
    told(ROOT / "scripts/get-bitcoind.sh", ROOT / ".tools/bitcoind")
    shutil.copytree(ROOT / ".tools/bitcoind", context / "bitcoind", dirs_exist_ok=True)
    shutil.copy(told(ROOT / "scripts/find-prometheus.sh").strip(), context / "prometheus")
    named = re.findall(r"image: (\S+)", (COMPOSE / "compose.yml").read_text())
    for steps, maker in ((NODE, "bitcoin/"), (PROMETHEUS, "prom/")):
        (image,) = [name for name in named if name.startswith(maker)]
        build = ("docker", "build", "--quiet", "--tag", image, "--file", "-", context)
        told(*build, input=steps.format(base=base))
        say(f"{image} is a stand-in")


def mined(seconds: int, meanwhile: Callable[[], None] = lambda: None) -> None:
    """A rig at the published port, some of whose shares are blocks."""
    rig = ["simulate", "--user", "demo", "--rigs", "1", "--th-s", "1e-7", "--watts", "1"]
    image = told("docker", "inspect", "--format", "{{.Config.Image}}", POOL).strip()
    command = ["docker", "run", "--rm", "--network", "host", image, *rig, "--seconds"]
    command.append(str(seconds))
    silent = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, **silent) as mining:  # type: ignore[call-overload]
        time.sleep(seconds / 3)
        meanwhile()
        say(mining.stdout.read().splitlines()[-1].strip())


def state() -> dict[str, object]:
    """As the engine has it of the pool."""
    return dict(json.loads(told("docker", "inspect", "--format", "{{json .State}}", POOL)))


def answer(path: str) -> str:
    """The page's, asked from this machine."""
    with urllib.request.urlopen(f"http://127.0.0.1:9333{path}", timeout=10) as reply:
        return str(reply.read().decode())


def event(composition: Composition, name: str, patience_s: float = 60) -> dict[str, object]:
    """The last line of the pool's log with this event."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        for line in reversed(composition("logs", "--no-log-prefix", "poolserver").splitlines()):
            if f'"event": "{name}"' in line:
                return dict(json.loads(line))
        time.sleep(0.5)
    raise TimeoutError(f"no {name} in the pool's log")


def tried(composition: Composition) -> None:
    """What docs/container.md and docs/upgrades.md say, one by one."""
    began = time.monotonic()
    composition.up()
    say(f"{', '.join(composition.services)}: all healthy after {time.monotonic() - began:.0f} s")
    print(composition("exec", "-T", "poolserver", "sh", "-c", CONFINED))
    assert answer("/readyz").startswith("ready")
    say(f"the page has {len(answer('/'))} bytes, its API is at {answer('/api/v1/status')[:60]}...")
    mined(5)
    asked = "http://127.0.0.1:9090/api/v1/query?query=up"
    say(composition("exec", "prometheus", "wget", "-qO-", asked))

    before = state()
    mined(18, lambda: print(composition("kill", "--signal", "USR2", "poolserver")))
    handed = event(composition, "rigs_handed_over")
    assert (handed["rigs"], handed["asked_to_reconnect"]) == (1, 0), handed
    assert state()["StartedAt"] == before["StartedAt"]
    say(f"upgraded in the same container, with its rig, in {handed['seconds']} s")

    composition("restart", "bitcoind")
    event(composition, "node_restored")
    height = composition.height()
    mined(15)
    say(f"the node began anew, with another cookie: height {height}, then {composition.height()}")

    last_block = answer("/api/v1/blocks?limit=1")
    composition("stop", "poolserver")
    assert state()["ExitCode"] == 0, state()
    composition.up()
    assert answer("/api/v1/blocks?limit=1") == last_block
    say("it ended with 0, was started again, and knows its blocks")


def main() -> None:
    """All of it; what does not hold ends it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--stand-ins", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    services: tuple[str, ...] = SERVICES
    if options.stand_ins:
        folder = options.stand_ins.absolute()
        (folder / "context").mkdir(parents=True, exist_ok=True)
        stand_ins(folder)
        services = SERVICES[:3]
    password = COMPOSE / "secrets/grafana_admin_password"
    password.parent.mkdir(exist_ok=True)
    if not password.exists():
        password.write_text(os.urandom(16).hex())
    with tempfile.TemporaryDirectory() as temporary:
        composition = Composition(services, Path(temporary))
        try:
            tried(composition)
        except BaseException:
            print(composition("logs", "--tail", "30"))
            raise
        finally:
            composition("down", "--volumes")


if __name__ == "__main__":
    main()
