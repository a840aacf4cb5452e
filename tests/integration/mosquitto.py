"""A mosquitto of the test's own: on a free port of this machine, with a login, and persistent."""

import asyncio
import os
import shutil
import socket
from base64 import b64encode
from hashlib import pbkdf2_hmac
from pathlib import Path

OWN = Path(__file__).parents[2] / ".tools/mosquitto/bin/mosquitto"
USERNAME, PASSWORD = "pool", "hunter2"

# What mosquitto_passwd uses; more only makes a login slower.
ROUNDS = 101


def find_mosquitto() -> str | None:
    """The program, if there is one."""
    for candidate in (
        os.environ.get("MOSQUITTO"),
        shutil.which("mosquitto"),
        "/usr/sbin/mosquitto",
        str(OWN),
    ):
        if candidate and Path(candidate).exists():
            return candidate
    return None


class Mosquitto:
    """May be killed and started again: it is then where it was, with what it retained."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port: int = server.getsockname()[1]
        salt = os.urandom(12)
        key = pbkdf2_hmac("sha512", PASSWORD.encode(), salt, ROUNDS)
        hashed = f"$7${ROUNDS}${b64encode(salt).decode()}${b64encode(key).decode()}"
        (folder / "passwords").write_text(f"{USERNAME}:{hashed}\n")
        (folder / "passwords").chmod(0o600)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\n"
            f"password_file {folder}/passwords\n"
            "allow_anonymous false\n"
            "persistence true\n"
            "autosave_interval 1\n"
            "autosave_on_changes true\n"
            f"persistence_location {folder}/\n"
            "user root\n"  # it keeps the user that it is started by
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, until it takes connections."""
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "-c",
            str(self._folder / "mosquitto.conf"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(20):
            while not await self._answers():
                assert self._process.returncode is None, "mosquitto did not start"
                await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def has_saved(self) -> bool:
        """Whether what it retains is on its disk: it writes it each second."""
        return (self._folder / "mosquitto.db").exists()

    async def stop(self, *, kill: bool = False) -> None:
        """End it: in order, or as a power cut does."""
        if self._process is not None and self._process.returncode is None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            await self._process.wait()
        self._process = None
