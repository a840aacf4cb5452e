"""What is drawn: templates, words of rigs, nonsense."""

from hypothesis import strategies as st

from tests.unit.machine.asking import SHORT_NONCES, UNASKED
from tests.unit.machine.rig import POOL_MASK
from tests.unit.machine.solving import Spec
from tests.unit.solving import MAINNET_NBITS, REGTEST_NBITS

SIXTEENTH_NBITS = 0x20100000  # every 16th hash is a block
MAX_RIGS = 6

PICKS = st.integers(0, MAX_RIGS - 1)
CUTS = st.lists(st.integers(0, 2000), max_size=4)
NBITS = st.sampled_from([MAINNET_NBITS, MAINNET_NBITS, REGTEST_NBITS, SIXTEENTH_NBITS])
MASKS = st.sampled_from([POOL_MASK, None, 0x1FFFFFFF, 0x00FFE000, 0x00006000, 0x1FFF, 0])
PASSWORDS = st.sampled_from(
    ["x", "", "d=0.0000000009", "d=1e-8,md=0.000000002", "md=1e-9", "d=1e9", "d=nan,md=-1"]
)
DIFFICULTIES = st.sampled_from([2.0**-32, 2.0**-30, 3e-10, 2.0**-28, 5e-9, 2.0**-25, 1, 1e300])
AGENTS = st.sampled_from(["rig/1.0", UNASKED, SHORT_NONCES, "cgminer/4.11.1", "NiceHash/1.0", ""])
SECONDS = st.sampled_from(
    [0.1, 0.6, 1.0, 3.0, 5.0, 10.0, 31.0, 59.9, 60.0, 61.0, 100.0, 300.0, 599.0, 600.0, 700.0]
)
EASED_SPECS = st.builds(
    lambda job, goal, nonce: Spec(job=job, goal=goal, nonce=nonce),
    st.integers(0, 5),
    st.sampled_from(["lowered", "lowered", "meets", "misses"]),
    st.integers(0, 2**32 - 1),
)
ROLLED_SPECS = st.builds(
    lambda job, nonce, bits: Spec(job=job, nonce=nonce, bits=bits, roll="granted"),
    st.integers(0, 5),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0xFFFFFFFF, 0x6000, 0x1FE00000, 0]),
)
SESSIONS = st.sampled_from(["none", "none", "lost", "lost", "live", "unknown", "former"])
GARBAGE = st.one_of(
    st.sampled_from(
        [
            b"",
            b"{}",
            b"[]",
            b"\xff\xfe\x00",
            b"x" * 17_000,
            b"[" * 300,
            b'{"id":[],"method":"mining.submit","params":[]}',
            b'{"id":"garbage","method":"mining.submit2","params":["a","b"]}',
            b'{"id":"garbage","method":7}',
            b'{"id":"garbage","method":"mining.authorize","params":[1]}',
            b'{"id":"garbage","method":"mining.configure","params":["version-rolling"]}',
            b'{"id":"garbage","method":"mining.suggest_difficulty","params":[1e999]}',
            b'{"id":"garbage","method":"mining.suggest_difficulty","params":[-1]}',
            b'{"id":"garbage","method":"mining.subscribe","params":[[]]}',
            b'{"id":7,"result":true,"error":null}',
        ]
    ),
    st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")),
)
