"""What the fuzzer starts from: honest dialogues, and JSON that has caught decoders before."""

from typing import Any

from tests.fuzz.fuzz_session import ACTS, Play
from tests.unit.server.wire import FakeHouse
from tests.unit.solving import CURTIME

HELLO = (
    b'{"id":1,"method":"mining.configure","params":[["version-rolling","minimum-difficulty",'
    b'"subscribe-extranonce","info"],{"version-rolling.mask":"1fffe000",'
    b'"version-rolling.min-bit-count":2,"minimum-difficulty.value":2048.5,'
    b'"info.hw-id":"a","info.sw-version":"1"}]}\n',
    b'{"id":1,"method":"mining.configure","params":[["version-rolling"],{}]}\n',
    b'{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.4.0"]}\n',
    b'{"id":2,"method":"mining.subscribe","params":["cgminer/4.11.1","5e55"]}\r\n',
    b'{"id":"two","method":"mining.subscribe","params":[]}\n',
    b'{"id":3,"method":"mining.authorize","params":["account.rig","d=1024"]}\n',
    b'{"id":3,"method":"mining.authorize","params":["\\u00fcmlaut","x"]}\n',
)
SUBMITS = (
    b'{"id":4,"method":"mining.submit","params":["account.rig","5a","0001020304050607",'
    b'"504e86ed","00000002"]}\n',
    b'{"id":5,"method":"mining.submit","params":["account.rig","5a","0001020304050607",'
    b'"504e86ed","00000001","1fffe000"]}\n',
    b'{"id":6,"method":"mining.submit","params":["account.rig","5a","00","504e86ed","1"]}\n',
)
REQUESTS = (
    b'{"id":7,"method":"mining.suggest_difficulty","params":[512]}\n',
    b'{"id":7,"method":"mining.suggest_difficulty","params":[0.5e-3]}\n',
    b'{"id":7,"method":"mining.suggest_target","params":["00000000ffff' + b"0" * 52 + b'"]}\n',
    b'{"id":8,"method":"mining.extranonce.subscribe","params":[]}\n',
    b'{"id":9,"method":"mining.get_transactions","params":["5a"]}\n',
    b'{"id":null,"method":"mining.ping","params":null}\n',
    b'{"id":10,"method":"mining.capabilities","params":[{}]}\n',
    b'{"id":11,"result":"cgminer/4.11.1","error":null}\n',
    b'{"id":11,"result":null,"error":{"code":-3,"message":"no"}}\n',
    b'{"id":11,"result":null,"error":[20,"no",null]}\n',
)
ODD = (
    b"\n\r\n\n",
    b"[]\n1\nnull\n{\n",
    b'{"id":-0,"method":"mining.ping"}\n{"id":1.0,"method":"mining.ping"}\n',
    b'{"id":123456789012345678901234567890,"method":"mining.ping"}\n',
    b'{"id":1,"id":"\\ud83d\\ude00","method":"mining.ping","jsonrpc":"2.0"}\n',
    b'{"id":"\\ud800","method":"mining.ping"}\n{"\\udc00":1,"id":1}\n',
    b'{"id":1,"result":1e999}\n{"id":1,"result":NaN}\n{"id":1,"result":[1e-400,-0.0]}\n',
    b'{"id":1,"method":"mining.ping","more":' + b"[" * 250 + b"]" * 250 + b"}\n",
    b'{"id":1,"result":' + b"[" * 260 + b"]" * 260 + b"}\n",
    b'\xef\xbb\xbf{"id":1}\n{"id":"\xff"}\n{"id":"\xc3\xa9","method":"\x7f"}\n',
    b"x" * 700 + b"\n" + b'{"id":12,"method":"mining.ping"}\n',
)


def connection_seeds() -> list[bytes]:
    """Inputs of fuzz_connection: two bytes of plan, then what a peer sends."""
    dialogues = [
        HELLO[0] + HELLO[2] + HELLO[5] + b"".join(SUBMITS) + b"".join(REQUESTS),
        HELLO[1] + HELLO[5] + HELLO[3] + SUBMITS[1] + HELLO[3],
        SUBMITS[0] + HELLO[4] + HELLO[6],
        *HELLO,
        *(HELLO[2] + submit for submit in SUBMITS),
        *REQUESTS,
        *ODD,
    ]
    plans = (b"\x06\x00", b"\x07\x55", b"\x04\xa2", b"\x03\x02", b"\x05\x01")
    return [plans[i % len(plans)] + said for i, said in enumerate(dialogues)]


def session_seeds() -> list[bytes]:
    """Inputs of fuzz_session. Behind what and how in the first act of a rig, and in the first after
    a ``hang_up``, stands how its connection begins: 1 as most do, 0 with nothing said."""
    submit, wait = Play.submit, Play.wait
    dialogues: list[list[tuple[Any, ...]]] = [
        [(submit, 0, n & 3, 0) for n in range(4)] + [(Play.let_go, 0, 1)],
        [(submit, 0, 0, 0), (Play.again, 0), (submit, 32, 0, 0), (Play.let_go, 0, 0)],
        [(Play.new_work, 0, 0b111), (submit, 0, 0, 0), (Play.again, 0), (Play.let_go, 0, 1)],
        [(Play.new_work, 0, 0b111), (submit, 0, 1, 0), (submit, 64, 2, 1), (Play.let_go, 0, 1)],
        [(submit, 0, 0, 0), (Play.new_work, 0, 5), (submit, 0, 1, 1), (submit, 0, 8, 0, 3)],
        [(submit, 2, 0, 0), (submit, 4, 1, 0, 40), (Play.resend_work, 0), (submit, 0, 16, 0, 2)],
        [
            (submit, 0, 0, 0),
            (Play.hang_up, 0),
            (Play.subscribe, 0, 0, 0, 5),
            (Play.authorize, 0, 0, 0),
        ],
        [(Play.suggest, 0, 0, 3), (wait, 0, 6), (submit, 0, 0, 0), (Play.suggest, 0, 1, 1)],
        [(Play.configure, 0, 31, 0, 0, 0), (Play.resend_work, 0), (submit, 0, 16, 0, 4)],
        # Shares of no job: the rig is dropped, comes back, is dropped again and banned.
        [(submit, 0, 0xC0, 0)] * 6
        + [(submit, 0, 1, 0xC0, 0)]
        + [(submit, 0, 0xC0, 0)] * 5
        + [(Play.authorize, 0, 1, 0, 0)],
        [act for _ in range(4) for act in ((submit, 0, 32, 9), (wait, 0, 5), (submit, 0, 32, 8))],
        [(submit, 0, n & 3, 0) for n in range(4)] + [(wait, 0, 6), (submit, 0, 0, 0)] * 4,
        [(Play.stop_reading, 0, 0), (Play.end, 0, 3), (wait, 0, 5)],
        [(Play.garbage, 0, 1, 4), (Play.small_call, 0, 1, 0), (Play.an_answer, 0, 1)],
        [(Play.end, 0, 0), (Play.end, 32, 1), (Play.end, 64, 2), (wait, 0, 0)],
        [(Play.authorize, 0, n, n % 7) for n in range(8)]
        + [(submit, 0, 4, 0, 1), (submit, 0, 4, 0, 3)],
    ]
    return [_begun(acts, manner=1 + 4 * (i & 1)) for i, acts in enumerate(dialogues)] + [
        _begun([(Play.subscribe, 0, 0, 0), (Play.authorize, 0, 0, 0)], manner=0)
    ]


def _begun(acts: list[tuple[Any, ...]], manner: int) -> bytes:
    """The acts, each rig's connection beginning in the same manner."""
    places: set[int] = set()
    programme = b""
    for what, how, *details in acts:
        begins = [] if how >> 5 & 3 in places else [manner]
        places.add(how >> 5 & 3)
        programme += bytes((ACTS.index(what), how, *begins, *details))
    return programme


def lane_seeds() -> list[bytes]:
    """Inputs of fuzz_lane: two bytes of plan, then submits for the jobs that there are."""
    job_id = FakeHouse().work().job_id
    jobs = (job_id, job_id[:-1] + "2")
    lines = [
        b'{"id":%d,"method":"mining.submit","params":["%s","%s","%016x","%08x","%08x"%s]}\n'
        % (
            n,
            b"demo.b" if n > 12 else b"demo.rig",
            jobs[n & 1].encode(),
            n >> 1,
            CURTIME,
            n,
            b',"00002000"' if n in (7, 8, 12) else b"",
        )
        for n in range(16)
    ]
    said = b"".join(lines)
    spaced = said.replace(b",", b" , ").replace(b"\n", b"\r\n")
    texts = (said, spaced, said[:200] * 3, b"\n".join([*lines[:6], *ODD[:5], *lines[6:9]]))
    return [bytes((plan, 37 * plan & 255)) + texts[(plan + plan // 4) % 4] for plan in range(32)]


TEMPLATE_FIELDS = (
    b'"data":"02ff","txid":"%s","hash":"%s","depends":[1],"fee":258,"sigops":4,"weight":9'
    % (b"1a" * 32, b"2B" * 32)
)


def template_seeds() -> list[bytes]:
    """Inputs of fuzz_template: answers of a node."""
    one = b"{%s}" % TEMPLATE_FIELDS
    return [
        b'{"result":{"version":1,"transactions":[%s],"height":7},"error":null,"id":0}\n' % one,
        b'{"result":{"transactions":[%s,\r\n\t%s ]}}' % (one, one),
        b'{"result":{"transactions":[]},"error":null}',
        b'{"result":null,"error":{"code":-9,"message":"not \\"connected\\" \\u20ac \xff"}}',
        b'{"result":{"transactions":[{"fee":18446744073709551616,"weight":-0,"sigops":1e3}]}}',
        b'{"a":[true,false,null,-1.5e+7,0.1,{"\\u0061":[]}],"result":{"transactions":{}}}',
        b"[" * 65 + b"]" * 65,
    ]
