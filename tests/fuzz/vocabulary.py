"""What the rigs of fuzz_session may say: honest values first, then what is odd or wrong."""

from tests.unit.solving import CURTIME, MASK

AGENTS = ("rig/1.0", "NiceHash/1.0.0", "bitaxe/BM1370/v2.4", "", None, 7)
NAMES = ("demo.rig", "demo.b", "demo", "nobody.rig", "demo." + "x" * 186, "demo.\x07", "", None)
PASSWORDS = ("x", "d=1", "md=0.000001", "d=1e-9,md=1e-10", "w=3500,jth=17.5", "d=1e999", None)
DIFFICULTIES = (1e-9, 2.0**-32, 1e-300, 0.001, 1, 65536, 1e300, 10**400, 0, -1, "1", None, True)
TARGETS = ("f" * 64, "00ffff", "1", "0", "", "x", "0" * 65, None)
MASKS = ("1fffe000", "ffffffff", "00002000", "00000001", "0", "xyz", 5, None)
EXTENSIONS = ("version-rolling", "minimum-difficulty", "subscribe-extranonce", "info", "unheard-of")
VERSION_BITS = (None, 0, 0x2000, MASK, 1, 0xFFFFFFFF)
NTIMES = (CURTIME, CURTIME + 1, CURTIME - 600, CURTIME - 601, CURTIME + 7000, 0, 0xFFFFFFFF)
STEPS_S = (0.0, 0.1, 1.0, 5.0, 11.0, 31.0, 61.0, 121.0, 601.0, 901.0)
TOKENS = (b'"', b"\\", b"{", b"]", b"\n", b"\x00", b"\xff", b"null", b"1e999", b"\\ud800", b",")
GARBAGE = (
    b"\n",
    b"{}\n",
    b"[]\n",
    b"\xff\n",
    b"x" * 17_000,
    b'{"id":{},"method":"m"}\n',
    b"{" * 400,
)
HELLO = (
    b'{"id":"c","method":"mining.configure","params":[["version-rolling","subscribe-extranonce"],{}]}\n',
    b'{"id":"s","method":"mining.subscribe","params":["rig/1.0"]}\n',
    b'{"id":"w","method":"mining.authorize","params":["demo.rig","x"]}\n',
)
ANSWERS = ({"id": 1, "result": True}, {"id": None, "error": [20, "no"]}, {"id": "a", "result": 0})
