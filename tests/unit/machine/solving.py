"""Shares as a rig finds them, solved by its own arithmetic, and with what may be wrong in them."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.unit.machine.reference import Reference, Sent, Session, Share, network_target, sha256d
from tests.unit.machine.rig import POOL_MASK

WORKERS = ("demo.rig", "demo.other", "nobody.rig")
# The hardest listener wants 128 hashes a share: that none is found in so many happens by e^-16.
MAX_HASHES = 2048


class Spec(NamedTuple):
    """What kind of share to look for."""

    job: int = 0
    """How many jobs ago it was sent."""
    goal: str = "meets"
    worker: str = WORKERS[0]
    extranonce2: int = 0
    nonce: int = 0
    ntime: str = "job"
    roll: str = "none"
    bits: int = 0
    style: str = "replace"
    upper: bool = False


SPECS = st.builds(
    Spec,
    job=st.one_of(st.integers(0, 3), st.integers(0, 40)),
    goal=st.sampled_from(["meets"] * 4 + ["misses", "lowered", "lowered", "any", "block"]),
    worker=st.sampled_from((WORKERS[0],) * 8 + WORKERS),
    extranonce2=st.integers(0, 2**64 - 1),
    nonce=st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 100)),
    ntime=st.sampled_from(["job"] * 6 + ["min", "below", "max", "above", "zero", "last"]),
    roll=st.sampled_from(["none"] * 3 + ["granted"] * 3 + ["zero", "pool", "beyond"]),
    bits=st.integers(0, 2**32 - 1),
    style=st.sampled_from(["replace", "or", "xor"]),
    upper=st.booleans(),
)


def solve(spec: Spec, session: Session, reference: Reference) -> Share:
    """The first share of the kind from the spec's nonce on; the last one tried if there is none."""
    sent = session.sent[-1 - spec.job % len(session.sent)]
    bits, version = _roll(spec, sent, session)
    ntime = _ntime(spec.ntime, sent, reference)
    extranonce2 = spec.extranonce2.to_bytes(8, "big")
    start = sent.job.header_start(sent.extranonce1 + extranonce2, version, ntime)
    easiest, network = session.easiest_after(sent), network_target(sent.job.nbits)
    for step in range(MAX_HASHES):
        nonce = (spec.nonce + step) % 2**32
        hash_le = sha256d(start + nonce.to_bytes(4, "little"))
        value = int.from_bytes(hash_le, "little")
        if hash_le in reference.seen:
            continue
        match spec.goal:
            case "meets":
                is_wanted = value <= sent.target
            case "misses":
                is_wanted = value > easiest
            case "lowered":
                is_wanted = value <= easiest and (value > sent.target or easiest == sent.target)
            case "block":  # or else hardly ever: one on mainnet cannot be found
                is_wanted = value <= network or network < easiest >> 16
            case _:
                is_wanted = True
        if is_wanted:
            break
    return Share(spec.worker, sent.job.job_id, extranonce2, ntime, nonce, bits)


def _roll(spec: Spec, sent: Sent, session: Session) -> tuple[int | None, int]:
    """The version bits to submit, and the version of the rig's own header."""
    version, mask = sent.job.version, sent.mask | session.mask
    match spec.roll:
        case "none":
            return None, version
        case "zero":
            bits = 0
        case "granted":
            bits = spec.bits & mask
        case "pool":
            bits = spec.bits & POOL_MASK
        case _:
            bits = spec.bits
            return bits, version & ~mask | bits  # such a rig has no right way
    headers = {
        "replace": version & ~mask | bits,
        "or": version | bits,
        "xor": version ^ bits,  # it submits what it rolled ^ the job's version
    }
    assert len(set(headers.values())) == 1, "styles of rolling disagree"
    return bits, headers[spec.style]


def _ntime(kind: str, sent: Sent, reference: Reference) -> int:
    job = sent.job
    mintime = reference.mintimes.get(job.prevhash, job.ntime)
    return {
        "job": job.ntime,
        "min": mintime,
        "below": mintime - 1,
        "max": job.ntime + 7000,
        "above": job.ntime + 7001,
        "zero": 0,
        "last": 2**32 - 1,
    }[kind]


def submit_params(share: Share, *, upper: bool = False, short_nonce: bool = False) -> list[Any]:
    """As they stand in the line; the hex digits in either case."""
    nonce_hex = f"{share.nonce:x}" if short_nonce else f"{share.nonce:08x}"
    words = [share.extranonce2.hex(), f"{share.ntime:08x}", nonce_hex]
    if share.bits is not None:
        words.append(f"{share.bits:08x}")
    return [share.worker, share.job_id, *(word.upper() if upper else word for word in words)]


# What may be wrong in a submit's form: the parameter's place and what stands there instead.
MALFORMED: tuple[tuple[int, Any], ...] = (
    (2, "00" * 7),
    (2, "00" * 9),
    (2, "0" * 15),
    (2, "zz" * 8),
    (2, 7),
    (3, "1234567"),
    (3, "123456789"),
    (3, "0x123456"),
    (3, "+1234567"),
    (3, None),
    (4, "12_45678"),
    (4, "\u0661" * 8),
    (4, 0),
    (4, ""),
    (5, "1fffe00"),
    (5, "1fffe0000"),
    (5, True),
    (0, None),
    (0, ["demo.rig"]),
    (1, 1),
)


def spoil(share: Share, place: int, value: Any) -> list[Any]:
    params = submit_params(share._replace(bits=0))
    params[place] = value
    return params
