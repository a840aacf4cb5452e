"""What rigs are known to send, and what they get: raw bytes in, exact bytes out."""

from typing import NamedTuple

import pytest

from .. import Codec, Malformed
from .helpers import in_pieces, new_pool, serve

SUBSCRIBED = (
    '"result":[[["mining.set_difficulty","6f1e"],["mining.notify","6f1e"]],"08000002",8],'
    '"error":null}'
)


class Transcript(NamedTuple):
    """Lines of a rig, each with the pool's reply."""

    name: str
    lines: list[tuple[str, str]]


TRANSCRIPTS = [
    Transcript(
        "cgminer: numbers from 0",
        [
            (
                '{"id": 0, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}',
                '{"id":0,' + SUBSCRIBED,
            ),
            (
                '{"id": 1, "method": "mining.authorize", "params": ["rig.1", "x"]}',
                '{"id":1,"result":true,"error":null}',
            ),
            (
                '{"params": ["rig.1", "5a", "0001020304050607", "504e86ed", "b2957c02"],'
                ' "id": 2, "method": "mining.submit"}',
                '{"id":2,"result":true,"error":null}',
            ),
        ],
    ),
    Transcript(
        "cgminer: comes back with its session",
        [
            (
                '{"id": 0, "method": "mining.subscribe", "params": ["cgminer/4.11.1", "6f1e"]}',
                '{"id":0,' + SUBSCRIBED,
            ),
        ],
    ),
    Transcript(
        "bosminer: configures first, with a bit count",
        [
            (
                '{"id":0,"method":"mining.configure","params":[["version-rolling"],'
                '{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16}]}',
                '{"id":0,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},'
                '"error":null}',
            ),
            (
                '{"id":1,"method":"mining.subscribe","params":'
                '["rig;bosminer-plus-tuner 0.9.0-8a6d8e0",null,"pool.example","3333"]}',
                '{"id":1,' + SUBSCRIBED,
            ),
        ],
    ),
    Transcript(
        "cpuminer: CRLF, and extranonce.subscribe behind authorize",
        [
            (
                '{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}\r',
                '{"id":1,' + SUBSCRIBED,
            ),
            (
                '{"id": 2, "method": "mining.authorize", "params": ["rig.1", ""]}\r',
                '{"id":2,"result":true,"error":null}',
            ),
            (
                '{"id": 3, "method": "mining.extranonce.subscribe", "params": []}\r',
                '{"id":3,"result":true,"error":null}',
            ),
            (
                '{"method": "mining.submit", "params": ["rig.1", "5a", "0001020304050607",'
                ' "504e86ed", "b2957c02"], "id":4}\r',
                '{"id":4,"result":true,"error":null}',
            ),
        ],
    ),
    Transcript(
        "ESP-Miner: version bits, suggests a difficulty",
        [
            (
                '{"id": 1, "method": "mining.configure", "params": [["version-rolling"],'
                ' {"version-rolling.mask": "ffffffff"}]}',
                '{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},'
                '"error":null}',
            ),
            (
                '{"id": 2, "method": "mining.subscribe", "params": ["bitaxe/BM1370/v2.4.0"]}',
                '{"id":2,' + SUBSCRIBED,
            ),
            (
                '{"id": 3, "method": "mining.authorize", "params": ["bc1q.bitaxe", "x"]}',
                '{"id":3,"result":true,"error":null}',
            ),
            (
                '{"id": 4, "method": "mining.suggest_difficulty", "params": [1000]}',
                '{"id":4,"result":true,"error":null}',
            ),
            (
                '{"id": 5, "method": "mining.submit", "params": ["bc1q.bitaxe", "5a",'
                ' "0001020304050607", "504e86ed", "b2957c02", "00a36000"]}',
                '{"id":5,"result":true,"error":null}',
            ),
        ],
    ),
    Transcript(
        "NerdMiner: suggests a difficulty below 1, six parameters",
        [
            (
                '{"id": 1, "method": "mining.subscribe", "params": ["NerdMinerV2/1.6.3"]}',
                '{"id":1,' + SUBSCRIBED,
            ),
            (
                '{"params": ["bc1q.nerd", "x"], "id": 2, "method": "mining.authorize"}',
                '{"id":2,"result":true,"error":null}',
            ),
            (
                '{"id": 3, "method": "mining.suggest_difficulty", "params": [1.0000000000e-04]}',
                '{"id":3,"result":true,"error":null}',
            ),
            (
                '{"id":4,"method":"mining.submit","params":["bc1q.nerd","5a",'
                '"0001020304050607","504e86ed","b2957c02","00000000"]}',
                '{"id":4,"result":true,"error":null}',
            ),
        ],
    ),
    Transcript(
        "a proxy: ids are strings, authorize first, several workers",
        [
            (
                '{"id":"auth-1","method":"mining.authorize","params":["farm.1"]}',
                '{"id":"auth-1","result":true,"error":null}',
            ),
            ('{"id":"sub","method":"mining.subscribe","params":[]}', '{"id":"sub",' + SUBSCRIBED),
            (
                '{"id":"auth-2","method":"mining.authorize","params":["farm.2",null]}',
                '{"id":"auth-2","result":true,"error":null}',
            ),
        ],
    ),
    Transcript(
        "no parameters at all",
        [
            ('{"id":1,"method":"mining.subscribe"}', '{"id":1,' + SUBSCRIBED),
            (
                '{"id":2,"method":"mining.extranonce.subscribe","params":null}',
                '{"id":2,"result":true,"error":null}',
            ),
            (
                '{"id":3,"method":"mining.authorize","params":null}',
                '{"id":3,"result":null,"error":[20,"malformed: the username is missing",null]}',
            ),
        ],
    ),
    Transcript(
        "a client that says which JSON-RPC it speaks",
        [
            (
                '{"jsonrpc":"2.0","id":1,"method":"mining.subscribe","params":["x"]}',
                '{"id":1,' + SUBSCRIBED,
            ),
        ],
    ),
]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["byte by byte", "whole"])
def test_a_rig_gets_what_it_expects(codec: Codec, transcript: Transcript, size: int) -> None:
    connection = new_pool(codec)
    sent = "".join(line + "\n" for line, _ in transcript.lines).encode()
    events = [event for piece in in_pieces(sent, size) for event in serve(connection, piece)]
    assert connection.data_to_send().decode().splitlines() == [
        reply for _, reply in transcript.lines
    ]
    refused = sum('"result":null' in reply for _, reply in transcript.lines)
    assert sum(isinstance(event, Malformed) for event in events) == refused
