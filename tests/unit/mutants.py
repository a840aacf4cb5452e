"""What a fuzzer makes of its seeds, some of it, the same each time."""

import random
from collections.abc import Iterator


def mutants(seeds: list[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """The seeds, and so many inputs made of them by a few edits: always the same."""
    yield from seeds
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0:
                    data[at : at + 1] = chance.randbytes(1)
                case 1:
                    del data[at : at + chance.randint(1, 8)]
                case 2:
                    data[at:at] = data[at : at + chance.randint(1, 40)]
                case 3:
                    other = chance.choice(seeds)
                    data[at:at] = other[chance.randrange(len(other)) :][:80]
        yield bytes(data)
