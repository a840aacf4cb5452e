import pytest

from .. import (
    Authorized,
    ClientConnection,
    Codec,
    Configured,
    Fault,
    LocalProtocolError,
    Malformed,
    Notify,
    Reconnect,
    Response,
    RigInfo,
    SetDifficulty,
    SetExtranonce,
    SetVersionMask,
    ShowMessage,
    State,
    StratumError,
    SubmitResult,
    Subscribed,
    render_notify,
)
from .helpers import ready_miner, told


def new_miner(codec: Codec) -> ClientConnection:
    return ClientConnection(codec=codec, user_agent="rig/1.0")


def test_requests_are_exact_to_the_byte(codec: Codec) -> None:
    connection = ready_miner(codec)
    assert connection.submit("rig.1", "5a", bytes(range(8)), 0x504E86ED, 1) == 3
    connection.submit("rig.1", "5a", b"\xff" * 4, 0x504E86ED, 0xB2957C02, 0x1FFFE000)
    connection.suggest_difficulty(512.0)
    connection.suggest_target(255)
    connection.extranonce_subscribe()
    connection.get_transactions("5a")
    connection.ping()
    assert connection.data_to_send().splitlines() == [
        b'{"id":3,"method":"mining.submit",'
        b'"params":["rig.1","5a","0001020304050607","504e86ed","00000001"]}',
        b'{"id":4,"method":"mining.submit",'
        b'"params":["rig.1","5a","ffffffff","504e86ed","b2957c02","1fffe000"]}',
        b'{"id":5,"method":"mining.suggest_difficulty","params":[512]}',
        b'{"id":6,"method":"mining.suggest_target","params":["%064x"]}' % 255,
        b'{"id":7,"method":"mining.extranonce.subscribe","params":[]}',
        b'{"id":8,"method":"mining.get_transactions","params":["5a"]}',
        b'{"id":9,"method":"mining.ping","params":[]}',
    ]


def test_a_handshake_is_exact_to_the_byte(codec: Codec) -> None:
    connection = new_miner(codec)
    connection.configure(version_mask=0x1FFFE000, min_bit_count=16)
    connection.subscribe("6f1e")
    connection.authorize("rig.1", "d=512")
    assert connection.data_to_send().splitlines() == [
        b'{"id":1,"method":"mining.configure","params":[["version-rolling"],'
        b'{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16}]}',
        b'{"id":2,"method":"mining.subscribe","params":["rig/1.0","6f1e"]}',
        b'{"id":3,"method":"mining.authorize","params":["rig.1","d=512"]}',
    ]


def test_all_extensions_may_be_asked_for(codec: Codec) -> None:
    connection = new_miner(codec)
    connection.configure(
        minimum_difficulty=2048.0,
        subscribe_extranonce=True,
        info=RigInfo(connection_url="", hw_version="S21", sw_version="", hw_id="7"),
    )
    assert connection.data_to_send() == (
        b'{"id":1,"method":"mining.configure","params":'
        b'[["minimum-difficulty","subscribe-extranonce","info"],'
        b'{"minimum-difficulty.value":2048,"info.hw-version":"S21","info.hw-id":"7"}]}\n'
    )


def test_the_answers_to_a_handshake_are_events_and_lead_to_ready(codec: Codec) -> None:
    connection = new_miner(codec)
    configure = connection.configure(version_mask=0x1FFFE000)
    subscribe = connection.subscribe()
    authorize = connection.authorize("rig.1")
    assert told(
        connection,
        b'{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"}}\n',
        b'{"id":2,"result":[[["mining.notify","6f1e"]],"08000002",8],"error":null}\n',
    ) == [
        Configured(configure, 0x1FFFE000, frozenset({"version-rolling"})),
        Subscribed(subscribe, bytes.fromhex("08000002"), 8, "6f1e"),
    ]
    assert connection.version_mask == 0x1FFFE000
    assert (connection.extranonce1, connection.extranonce2_size) == (b"\x08\x00\x00\x02", 8)
    assert told(connection, b'{"id":3,"result":true,"error":null}\n') == [
        Authorized(authorize, True, None)
    ]
    assert connection.state is State.READY


@pytest.mark.parametrize(
    ("answer", "ok", "error"),
    [
        (b'"result":true,"error":null', True, None),
        (b'"result":true,"error":[]', True, None),
        (b'"result":true', True, None),
        (b'"result":false,"error":null', False, None),
        (b'"result":null,"error":[23,"low",null]', False, StratumError(23, "low")),
        (b'"result":false,"error":{"code":23,"message":"low"}', False, StratumError(23, "low")),
        (b'"error":"low"', False, StratumError(20, "low")),
    ],
)
def test_yes_and_no_are_understood_in_every_shape(
    codec: Codec, answer: bytes, ok: bool, error: StratumError | None
) -> None:
    connection = ready_miner(codec)
    submit = connection.submit("rig.1", "5a", b"", 0, 0)
    authorize = connection.authorize("rig.2")
    assert told(connection, b'{"id":3,%b}\n{"id":4,%b}\n' % (answer, answer)) == [
        SubmitResult(submit, ok, error),
        Authorized(authorize, ok, error),
    ]


def test_jobs_and_notifications_are_events(codec: Codec) -> None:
    connection = ready_miner(codec)
    job = render_notify(
        job_id="5a",
        prevhash_hex="00" * 32,
        coinb1=b"1",
        coinb2=b"2",
        merkle_branch=[],
        version=1,
        nbits=2,
        ntime=3,
        clean_jobs=True,
    )
    assert told(
        connection,
        job,
        b'{"id":null,"method":"mining.set_difficulty","params":[0.001]}\n',
        b'{"id":null,"method":"mining.set_extranonce","params":["0900",4]}\n',
        b'{"id":null,"method":"mining.set_version_mask","params":["00ffe000"]}\n',
        b'{"id":null,"method":"client.reconnect","params":["pool.example",3333,5]}\n',
        b'{"id":null,"method":"client.show_message","params":["hello"]}\n',
    ) == [
        Notify("5a", bytes(32), b"1", b"2", (), 1, 2, 3, True),
        SetDifficulty(0.001),
        SetExtranonce(b"\x09\x00", 4),
        SetVersionMask(0x00FFE000),
        Reconnect("pool.example", 3333, 5.0),
        ShowMessage("hello"),
    ]
    assert (connection.extranonce1, connection.extranonce2_size) == (b"\x09\x00", 4)
    assert connection.version_mask == 0x00FFE000
    assert connection.data_to_send() == b""


def test_get_version_and_ping_are_answered_here(codec: Codec) -> None:
    connection = ready_miner(codec)
    lines = (
        b'{"id":1,"method":"client.get_version","params":[]}\n',
        b'{"id":"2","method":"mining.ping","params":[]}\n',
    )
    assert told(connection, *lines) == []
    assert connection.data_to_send() == (
        b'{"id":1,"result":"rig/1.0","error":null}\n{"id":"2","result":"pong","error":null}\n'
    )


def test_a_refused_subscribe_or_configure_is_a_response_and_may_be_tried_again(
    codec: Codec,
) -> None:
    connection = new_miner(codec)
    connection.configure(version_mask=0x1FFFE000)
    connection.subscribe()
    assert told(
        connection,
        b'{"id":1,"result":null,"error":[20,"unknown",null]}\n',
        b'{"id":2,"result":null,"error":null}\n',
    ) == [
        Response(1, "mining.configure", None, StratumError(20, "unknown")),
        Response(2, "mining.subscribe", None, None),
    ]
    assert connection.state is State.NEW
    connection.subscribe()


def test_answers_of_other_shapes_are_responses(codec: Codec) -> None:
    connection = ready_miner(codec)
    connection.get_transactions("5a")
    lines = (
        b'{"id":3,"result":["aa"],"error":null}\n',
        b'{"id":3,"result":true,"error":null}\n',
        b'{"id":"7","result":true,"error":null}\n',
    )
    assert told(connection, *lines) == [
        Response(3, "mining.get_transactions", ["aa"], None),
        Response(3, None, True, None),
        Response("7", None, True, None),
    ]


@pytest.mark.parametrize(
    ("line", "malformed"),
    [
        (b"{", Malformed(None, Fault.INVALID_JSON)),
        (
            b'{"id":null,"method":"mining.set_difficulty","params":[]}',
            Malformed(
                None, Fault.MALFORMED, "the difficulty is not a number", "mining.set_difficulty"
            ),
        ),
        (
            b'{"id":null,"method":"mining.set_goal","params":[]}',
            Malformed(None, Fault.UNKNOWN_METHOD, "mining.set_goal"),
        ),
    ],
)
def test_what_makes_no_sense_is_reported_and_not_answered(
    codec: Codec, line: bytes, malformed: Malformed
) -> None:
    connection = ready_miner(codec)
    assert told(connection, line + b"\n") == [malformed]
    assert connection.data_to_send() == b""


def test_an_unknown_request_is_answered_for_it_waits_for_an_answer(codec: Codec) -> None:
    connection = ready_miner(codec)
    told(connection, b'{"id":5,"method":"client.dance","params":[]}\n')
    assert connection.data_to_send() == (
        b'{"id":5,"result":null,"error":[20,"unknown_method: client.dance",null]}\n'
    )


def test_a_senseless_answer_is_malformed(codec: Codec) -> None:
    connection = new_miner(codec)
    connection.subscribe()
    assert told(connection, b'{"id":1,"result":[[],"0",8],"error":null}\n') == [
        Malformed(
            1,
            Fault.MALFORMED,
            "a hex field has other characters or an odd length",
            "mining.subscribe",
        )
    ]
    assert connection.state is State.NEW


def test_our_own_errors_are_raised_where_they_are_made(codec: Codec) -> None:
    connection = new_miner(codec)
    with pytest.raises(LocalProtocolError, match="Submit is not legal in state new"):
        connection.submit("rig.1", "5a", b"", 0, 0)
    with pytest.raises(LocalProtocolError, match="not a difficulty"):
        connection.suggest_difficulty(0)
    connection.subscribe()
    with pytest.raises(LocalProtocolError, match="has not been answered"):
        connection.subscribe()
    told(connection, b'{"id":1,"result":[[],"08",8],"error":null}\n')
    with pytest.raises(LocalProtocolError, match="Subscribe is not legal in state subscribed"):
        connection.subscribe()
