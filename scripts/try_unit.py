"""try_unit.py WHEEL FOLDER: run the systemd unit by a real systemd, beside a regtest node.

For root on Debian, with systemd-nspawn (of the package systemd-container) and cgroup 2. A fresh
Debian 13, kept in FOLDER, is booted with nothing but a loopback; the unit is installed in it as its
first lines say. Then: readiness, confinement, mining, reload, upgrade, a death of the coordinator,
the watchdog on a loop that hangs, the end.
"""

import argparse
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv")
CONFIG = """network = "regtest"
data_dir = "/var/lib/poolserver"
workers = 2
[payout]
address = "bcrt1p2zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqq5az5cr"
[[nodes]]
url = "http://127.0.0.1:18443"
username = "pool"
password = "pool"
zmq_hashblock = "tcp://127.0.0.1:28332"
[[listeners]]
address = "127.0.0.1:3333"
start_difficulty = 1e-6
min_difficulty = 1e-9
[auth]
accounts = "any"
[http]
address = "127.0.0.1:9333"
"""
NODE = """[Service]
ExecStart=/opt/bitcoind/bin/bitcoind -regtest -datadir=/var/lib/bitcoind -rpcuser=pool \\
    -rpcpassword=pool -listen=0 -zmqpubhashblock=tcp://127.0.0.1:28332 -printtoconsole=0
StateDirectory=bitcoind
"""
# A loop that hangs, on demand: what the watchdog is for.
HANG = """import signal, time
signal.signal(signal.SIGRTMIN, lambda *_: time.sleep(600))
"""
RIG = "/opt/poolserver/bin/poolserver simulate --user demo --rigs 1 --th-s 5e-8 --seconds 20"
INSTALL = """set -e
id poolserver >/dev/null 2>&1 ||
    useradd --system --home-dir /var/lib/poolserver --shell /usr/sbin/nologin poolserver
test -d /opt/poolserver || python3 -m venv /opt/poolserver
/opt/poolserver/bin/pip install --quiet --require-hashes -r /root/runtime.txt
/opt/poolserver/bin/pip install --quiet --no-deps --force-reinstall /root/*.whl
install -d -m 0750 -g poolserver /etc/poolserver
install -m 0640 -g poolserver /root/poolserver.toml /etc/poolserver/
"""


def say(text: str) -> None:
    print(f"try_unit: {text}", flush=True)


def prepared(root: Path, wheel: Path) -> None:
    """The Debian with the pool, its node and the unit."""
    subprocess.run([ROOT / "scripts/debian-root.sh", root, "trixie", *PACKAGES], check=True)
    subprocess.run([ROOT / "scripts/get-bitcoind.sh", root / "opt/bitcoind"], check=True)
    shutil.copy(ROOT / "requirements/runtime.txt", root / "root")
    for old in (root / "root").glob("*.whl"):
        old.unlink()
    shutil.copy(wheel, root / "root")
    shutil.copy("/etc/resolv.conf", root / "etc")
    (root / "root/poolserver.toml").write_text(CONFIG)
    units = root / "etc/systemd/system"
    shutil.copy(ROOT / "configs/systemd/poolserver.service", units)
    (units / "bitcoind.service").write_text(NODE)
    online = units / "systemd-networkd-wait-online.service"  # there is a loopback alone
    online.unlink(missing_ok=True)
    online.symlink_to("/dev/null")
    hang = root / "opt/hang/sitecustomize.py"
    hang.parent.mkdir(exist_ok=True)
    hang.write_text(HANG)
    drop_in = units / "poolserver.service.d/hang.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("[Service]\nEnvironment=PYTHONPATH=/opt/hang\n")
    env = os.environ | {"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"}
    subprocess.run(["chroot", root, "sh", "-c", INSTALL], check=True, env=env)


class Machine:
    """The booted Debian."""

    def __init__(self, root: Path) -> None:
        options = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--boot"]
        where = ["--machine=poolserver-try", "--directory", str(root)]
        self._nspawn = subprocess.Popen(
            ["env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn", *options, *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        until = time.monotonic() + 60
        while not self._is_up(children.read_text().strip()):
            if time.monotonic() > until:
                self.ended()
                raise TimeoutError("systemd does not come up")
            time.sleep(1)

    def _is_up(self, leader: str) -> bool:
        path = "PATH=/usr/sbin:/usr/bin"
        self._enter = ["nsenter", "--target", leader, "--all", "env", "-i", path]
        asked = [*self._enter, "systemctl", "is-system-running"]
        done = subprocess.run(asked, capture_output=True, text=True) if leader else None
        return done is not None and done.stdout.strip() in ("running", "degraded")

    def shell(self, command: str) -> str:
        """What it writes; it must end with 0."""
        run = [*self._enter, "sh", "-c", command]
        return subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def shows(self, name: str) -> str:
        return self.shell(f"systemctl show poolserver --value -p {name}")

    def restarted(self, times: int, patience_s: float) -> None:
        """Until it was started again so often, and is ready."""
        until = time.monotonic() + patience_s
        while (self.shows("NRestarts"), self.shows("ActiveState")) != (str(times), "active"):
            assert time.monotonic() < until, self.shell("systemctl status poolserver")
            time.sleep(0.5)

    def processes(self) -> int:
        """That the unit has."""
        tasks = "/sys/fs/cgroup/system.slice/poolserver.service/cgroup.procs"
        return int(self.shell(f"cat {tasks} 2>/dev/null | wc -l"))

    def upgraded(self) -> None:
        """Until another process is the main one; which systemd takes for no failure."""
        before, times = self.shows("MainPID"), self.shows("NRestarts")
        self.shell("systemctl kill --kill-whom=main -s USR2 poolserver")
        until = time.monotonic() + 60
        while self.shows("MainPID") == before:
            assert time.monotonic() < until
            time.sleep(0.5)
        self.restarted(int(times), 30)
        say(f"upgraded: the main process was {before}, is {self.shows('MainPID')}")

    def ended(self) -> None:
        self._nspawn.terminate()
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()


def tried(machine: Machine) -> None:
    """What the unit, docs/upgrades.md and docs/processes.md say."""
    machine.shell(
        "systemctl start bitcoind && systemctl stop poolserver && systemctl start poolserver"
    )
    machine.restarted(0, 60)
    say(f"ready as {machine.shows('Type')}: {machine.shell('systemctl --version | head -n 1')}")
    pid = machine.shows("MainPID")
    print(machine.shell(f"grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/{pid}/status"))
    machine.shell(f"{RIG} >/tmp/rig 2>/dev/null &")
    time.sleep(5)

    machine.shell("sed -i 's/:9333/:9334/' /etc/poolserver/poolserver.toml")
    machine.shell("systemctl reload poolserver")
    assert machine.shows("MainPID") != pid
    say(f"reloaded: the main process was {pid}, is {machine.shows('MainPID')}")
    machine.upgraded()
    time.sleep(15)
    say("a rig meanwhile: " + machine.shell("tail -n 1 /tmp/rig"))

    machine.shell(f"kill -KILL {machine.shows('MainPID')}")
    machine.restarted(1, 30)
    say(f"killed, and started again; it has {machine.processes()} processes")
    machine.shell(f"kill -RTMIN {machine.shows('MainPID')}")
    began = time.monotonic()
    machine.restarted(2, 90)
    assert "Failed with result 'watchdog'" in machine.shell("journalctl -u poolserver")
    say(f"a loop that hangs: {time.monotonic() - began:.0f} s later another one serves")

    machine.upgraded()  # systemd waits for no process that it has not started: the unit has to
    machine.shell("systemctl stop poolserver")
    assert (machine.shows("Result"), machine.processes()) == ("success", 0)
    ended = machine.shell("journalctl -u poolserver -n 30 --no-pager")
    assert "SIGKILL" not in ended, ended
    say("stopped after an upgrade: in order, and nothing is left")
    say(machine.shell("systemd-analyze security poolserver --no-pager | tail -n 1"))


def main() -> None:
    """All of it; what does not hold ends it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    root = options.folder.absolute()
    prepared(root, options.wheel)
    machine = Machine(root)
    try:
        tried(machine)
    except BaseException:
        print(machine.shell("journalctl -u poolserver --no-pager | tail -n 30"))
        raise
    finally:
        machine.ended()


if __name__ == "__main__":
    main()
