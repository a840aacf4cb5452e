"""python -m tests.fuzz connection|session|template|lane [LIBFUZZER OPTIONS] CORPUS: run a target.

It runs under atheris. Inputs that fail are written where -artifact_prefix says; to see one again
give the file in place of the corpus.
"""

import sys
from importlib import import_module
from pathlib import Path

import atheris

# What guides the fuzzer is instrumented, and so slow; what only checks is not.
INSTRUMENTED = {
    "connection": ["poolserver._vendor.asyncio_stratum", "poolserver.server.msgspec_codec"],
    "session": [
        "poolserver.pool",
        "poolserver.mining.lost",
        "poolserver.mining.miner",
        "poolserver.mining.registry",
        "poolserver.mining.rate_estimate",
        "poolserver.mining.vardiff",
        "poolserver.server.conduct",
        "poolserver.server.guard",
        "poolserver.server.session",
    ],
    # The C beside it has no counters: it is led by what is new to its twin.
    "template": ["poolserver._native.twin"],
    "lane": [
        "poolserver._vendor.asyncio_stratum",
        "poolserver.pool",
        "poolserver.server.session",
    ],
}


def main() -> None:
    """Fill an empty corpus with seeds, and fuzz."""
    if len(sys.argv) < 2 or sys.argv[1] not in INSTRUMENTED:
        sys.exit(__doc__)
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=INSTRUMENTED[name]):
        target = import_module(f"tests.fuzz.fuzz_{name}")
    fill(name)
    words = Path(__file__).with_name(f"{name}.dict")
    if words.exists():
        sys.argv.append(f"-dict={words}")
    atheris.Setup(sys.argv, target.one_input)
    with target.watching():
        atheris.Fuzz()


def fill(name: str) -> None:
    """Write the seeds into each corpus of the command line that is empty."""
    seeds = import_module("tests.fuzz.seeds")  # not before the targets: it imports them
    for corpus in map(Path, sys.argv[1:]):
        if corpus.is_dir() and not any(corpus.iterdir()):
            for number, seed in enumerate(getattr(seeds, f"{name}_seeds")()):
                (corpus / f"seed-{number:02}").write_bytes(seed)


main()
