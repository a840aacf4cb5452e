"""The search for one share on the CPU."""

from typing import NamedTuple

from poolserver._native import scan_nonces, sha256d
from poolserver._vendor.asyncio_stratum import Notify
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import Difficulty

# A scan goes on to its end when it has found something, so its length is a fraction of the
# expected number of hashes: an eighth of them is then hashed in vain.
SCANS_PER_SHARE = 4
# Below that the call costs more than the hashes; above, another rig's search waits for too long.
SHORTEST_SCAN = 64
LONGEST_SCAN = 1 << 16

_NONCE_MASK = 0xFFFFFFFF


class Work(NamedTuple):
    """A job, and the terms that were in force on the connection when it came."""

    job: Notify
    extranonce1: bytes
    extranonce2_size: int
    version_mask: int
    difficulty: Difficulty


class Attempt(NamedTuple):
    """A piece of work with a header of its own, and the nonce from which to try."""

    work: Work
    extranonce2: bytes
    version_bits: int | None
    """The bits within the mask, as they are submitted (BIP310); None where none were rolled."""
    nonce_start: int

    def header(self) -> bytes:
        """The 80 bytes to hash, with a nonce of zero."""
        job = self.work.job
        coinbase_tx = job.coinb1 + self.work.extranonce1 + self.extranonce2 + job.coinb2
        version = job.version
        if self.version_bits is not None:
            version = version & ~self.work.version_mask | self.version_bits
        return pack_header(
            version,
            job.prevhash_le,
            merkle_root_from_branch(sha256d(coinbase_tx), job.merkle_branch),
            job.ntime,
            job.nbits,
            0,
        )

    def run(self, hashes: int) -> int | None:
        """Try up to ``hashes`` nonces (at most 2^32); the first that meets the share target.

        Blocking, for a thread: nearly all of the time is spent without the GIL.
        """
        header, difficulty = self.header(), self.work.difficulty
        scan = min(max(difficulty.work // SCANS_PER_SHARE, SHORTEST_SCAN), LONGEST_SCAN)
        for tried in range(0, hashes, scan):
            start = self.nonce_start + tried & _NONCE_MASK
            found = scan_nonces(header, start, min(scan, hashes - tried), difficulty.target_le)
            if found:
                return found[0]
        return None
