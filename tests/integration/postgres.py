"""A PostgreSQL of our own for tests: real, with fsync on, in a folder that goes away."""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

from poolserver.node.process import free_port

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
LOOK_S = 0.02
OWN_BIN = Path(__file__).parents[2] / ".tools/postgresql/bin"

_PR_SET_PDEATHSIG = 1  # prctl(2)
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class NoPostgres(RuntimeError):
    """It cannot be started; the text has the end of what it said."""


def find_bin() -> Path | None:
    """The folder of its programs, where there is one on this machine; nothing is fetched."""
    if named := os.environ.get("POSTGRESQL_BIN"):
        return Path(named)
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    usable = [each for each in (*folders, OWN_BIN) if (each / "initdb").exists()]
    return usable[0] if usable else None


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


@dataclass(frozen=True)
class PostgresDatabase:
    """An empty database: what the test of a store is given."""

    cluster: "PostgresCluster"
    name: str

    @property
    def url(self) -> str:
        """By the Unix socket, which asks for no password; a conninfo URL."""
        host = quote(str(self.cluster.socket_dir), safe="")
        return f"postgresql://{self.cluster.superuser}@/{self.name}?host={host}&port={self.port}"

    @property
    def tcp_url(self) -> str:
        """By loopback, without the password that it asks for: ``cluster.password``."""
        return f"postgresql://{self.cluster.superuser}@127.0.0.1:{self.port}/{self.name}"

    @property
    def port(self) -> int:
        return self.cluster.port

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the test's own, in autocommit mode."""
        return psycopg.connect(self.url, autocommit=True)


class PostgresCluster:
    """A server in a new folder, and what can be done to it. Every method blocks.

    It takes connections at a Unix socket, where everybody is trusted (nobody else gets into its
    folder), and at ``port`` on loopback, where it wants ``password``. PostgreSQL refuses to run
    as root: then it is run as ``postgres``, or ``nobody`` where there is no such user.
    """

    superuser = "pool"

    def __init__(self, bin_dir: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="poolserver-pg-"))
        self.socket_dir = self.folder
        self._bin = bin_dir
        self._user = _user() if os.geteuid() == 0 else None
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)

    @classmethod
    @contextmanager
    def running(cls, bin_dir: Path) -> Iterator["PostgresCluster"]:
        """Made and started; at the end it is gone without a trace.

        Raises:
            NoPostgres: it does not start.
        """
        cluster = cls(bin_dir)
        try:
            cluster._make()
            cluster.start()
            yield cluster
        finally:
            cluster.kill()
            shutil.rmtree(cluster.folder, ignore_errors=True)

    # --- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until it answers; after ``kill`` it mends itself first.

        Raises:
            NoPostgres: it ended, or did not answer in time.
        """
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "fsync": "on",
            "full_page_writes": "on",
            "max_connections": "40",
        }
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as output:
            self._server = subprocess.Popen(
                command,
                **self._as_user(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=partial(_end_with_parent, signal.SIGQUIT),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise NoPostgres(f"PostgreSQL does not start: {self.tail()}")
            time.sleep(LOOK_S)

    def stop(self) -> None:
        """End it in good order, without waiting for its clients ("fast")."""
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """kill -9 of all of its processes, as if the machine had lost its power."""
        server, self._server = self._server, None
        if server is None:
            return
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(server.pid)
            root.suspend()  # or it would start new ones
            for each in (processes := [root, *root.children(recursive=True)]):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            while any(_lives(each) for each in processes):
                time.sleep(LOOK_S)
        server.wait(STOP_TIMEOUT_S)

    def pause(self) -> None:
        """SIGSTOP of all of them: connections stand, new ones are taken, nobody answers."""
        root = self._root()
        root.suspend()
        for each in root.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                each.suspend()

    def resume(self) -> None:
        """All go on after ``pause``."""
        root = self._root()
        for each in (*root.children(recursive=True), root):
            with suppress(psutil.NoSuchProcess):
                each.resume()

    def _root(self) -> psutil.Process:
        assert self._server is not None
        return psutil.Process(self._server.pid)

    # --- databases -----------------------------------------------------------------------

    def new_database(self) -> PostgresDatabase:
        """An empty one, of a name that was not used before."""
        name = f"test_{next(self._numbers)}"
        self._do(f"CREATE DATABASE {name}")
        return PostgresDatabase(self, name)

    def drop(self, database: PostgresDatabase) -> None:
        """Away with it, whoever is still connected."""
        self._do(f"DROP DATABASE {database.name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with PostgresDatabase(self, "postgres").connect() as connection:
            connection.execute(statement.encode())

    # --- details -------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _make(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        password.chmod(0o644)  # the folder itself is closed to others
        command = [str(self._bin / "initdb"), "-D", str(self._data), "--no-sync"]
        command += ["--username", self.superuser, "--pwfile", str(password)]
        command += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        command += ["--encoding=UTF8", "--locale=C"]
        made = subprocess.run(
            command, **self._as_user(), cwd=self.folder, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise NoPostgres(f"initdb: {made.stderr[-2000:]}")

    def _as_user(self) -> dict[str, Any]:
        environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        if self._user is None:
            return {"env": environ}
        ids = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return {"env": environ, **ids}

    def _answers(self) -> bool:
        try:
            with psycopg.connect(PostgresDatabase(self, "postgres").url, connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


def _lives(process: psutil.Process) -> bool:
    """A dead one may stay in the table for a second, until its new parent looks."""
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _end_with_parent(number: int) -> None:
    """In the new process: have Linux end it in its quick way, should we be killed before it."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number)
