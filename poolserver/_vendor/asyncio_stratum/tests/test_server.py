import pytest

from .. import (
    Authorize,
    Codec,
    Configure,
    Fault,
    GetTransactions,
    LocalProtocolError,
    Malformed,
    ServerConnection,
    State,
    StratumError,
    Submit,
    Subscribe,
    SuggestDifficulty,
    SuggestTarget,
)
from .helpers import AUTHORIZE, SUBMIT, SUBSCRIBE, new_pool, ready_pool, serve, subscribed_pool


def state_after(connection: ServerConnection, data: bytes) -> State:
    serve(connection, data)
    return connection.state


def test_a_handshake_leads_to_ready(codec: Codec) -> None:
    connection = new_pool(codec)
    steps = (b"", SUBSCRIBE, AUTHORIZE)
    assert [state_after(connection, step) for step in steps] == [
        State.NEW,
        State.SUBSCRIBED,
        State.READY,
    ]


def test_authorize_may_come_before_subscribe(codec: Codec) -> None:
    connection = new_pool(codec)
    assert state_after(connection, AUTHORIZE) is State.AUTHORIZED
    assert state_after(connection, SUBSCRIBE) is State.READY


def test_a_connection_may_have_several_workers(codec: Codec) -> None:
    connection = ready_pool(codec)
    assert len(serve(connection, AUTHORIZE * 2)) == 2
    assert connection.state is State.READY


@pytest.mark.parametrize("before", [b"", AUTHORIZE])
def test_a_share_before_subscribe_is_answered_not_subscribed(codec: Codec, before: bytes) -> None:
    connection = new_pool(codec)
    serve(connection, before)
    connection.data_to_send()
    assert serve(connection, SUBMIT) == [Malformed(3, Fault.NOT_SUBSCRIBED, "", "mining.submit")]
    assert connection.data_to_send() == (
        b'{"id":3,"result":null,"error":[25,"not_subscribed",null]}\n'
    )


def test_a_share_of_nobody_authorized_is_given_to_the_application(codec: Codec) -> None:
    connection = subscribed_pool(codec)
    [event] = connection.receive_data(SUBMIT)
    assert type(event) is Submit
    connection.refuse(event, StratumError(24, "unauthorized"))
    assert connection.data_to_send() == (
        b'{"id":3,"result":null,"error":[24,"unauthorized",null]}\n'
    )


def test_subscribing_twice_is_refused(codec: Codec) -> None:
    connection = new_pool(codec)
    events = serve(connection, SUBSCRIBE + SUBSCRIBE)
    assert events[1] == Malformed(1, Fault.ALREADY_SUBSCRIBED, "", "mining.subscribe")
    assert connection.state is State.SUBSCRIBED


def test_a_refused_subscribe_may_be_tried_again(codec: Codec) -> None:
    connection = new_pool(codec)
    [request] = connection.receive_data(SUBSCRIBE)
    assert type(request) is Subscribe
    connection.refuse(request, StratumError(20, "full"))
    assert state_after(connection, b"") is State.NEW
    assert state_after(connection, SUBSCRIBE) is State.SUBSCRIBED


def test_a_second_answer_to_a_subscribe_is_our_own_error(codec: Codec) -> None:
    connection = subscribed_pool(codec)
    with pytest.raises(LocalProtocolError, match="subscribed is not legal in state subscribed"):
        connection.subscribed(Subscribe(1, "", None), extranonce1=b"1234", session_id="")


def test_an_unknown_method_is_refused_by_its_name(codec: Codec) -> None:
    connection = new_pool(codec)
    assert serve(connection, b'{"id":5,"method":"mining.foo","params":[]}\n') == [
        Malformed(5, Fault.UNKNOWN_METHOD, "mining.foo")
    ]
    assert connection.data_to_send() == (
        b'{"id":5,"result":null,"error":[20,"unknown_method: mining.foo",null]}\n'
    )


def test_a_long_method_is_not_echoed_whole(codec: Codec) -> None:
    connection = new_pool(codec)
    serve(connection, b'{"id":5,"method":"%b","params":[]}\n' % (b"m" * 10_000))
    assert len(connection.data_to_send()) < 150


def test_a_malformed_share_is_refused_with_the_field(codec: Codec) -> None:
    connection = ready_pool(codec)
    serve(connection, SUBMIT.replace(b"504e86ed", b"504e86e"))
    assert connection.data_to_send() == (
        b'{"id":3,"result":null,"error":[20,"malformed: ntime is not 8 hex digits",null]}\n'
    )


def test_extranonce2_has_the_size_of_the_connection(codec: Codec) -> None:
    connection = ServerConnection(codec=codec, extranonce2_size=4)
    serve(connection, SUBSCRIBE)
    assert connection.data_to_send().endswith(b',"08000002",4],"error":null}\n')
    share = SUBMIT.replace(b"0001020304050607", b"00010203")
    [submit, malformed] = serve(connection, share + SUBMIT)
    assert type(submit) is Submit
    assert malformed == Malformed(
        3, Fault.MALFORMED, "extranonce2 is not 8 hex digits", "mining.submit"
    )


def test_ping_and_extranonce_subscribe_are_answered_here(codec: Codec) -> None:
    connection = new_pool(codec)
    assert not connection.extranonce_subscribed
    lines = (
        b'{"id":4,"method":"mining.ping","params":[]}\n'
        b'{"id":5,"method":"mining.extranonce.subscribe","params":[]}\n'
    )
    assert serve(connection, lines) == []
    assert connection.data_to_send() == (
        b'{"id":4,"result":"pong","error":null}\n{"id":5,"result":true,"error":null}\n'
    )
    assert connection.extranonce_subscribed


def test_suggestions_are_taken_any_number_of_times_in_any_state(codec: Codec) -> None:
    connection = new_pool(codec)
    suggest = b'{"id":4,"method":"mining.suggest_difficulty","params":[512]}\n'
    target = b'{"id":5,"method":"mining.suggest_target","params":["00ff"]}\n'
    expected = [SuggestDifficulty(4, 512.0), SuggestTarget(5, 255)]
    assert serve(connection, suggest + target + suggest + target) == expected * 2
    serve(connection, SUBSCRIBE + AUTHORIZE)
    assert serve(connection, suggest + target) == expected


def test_transactions_are_answered_with_a_list(codec: Codec) -> None:
    connection = ready_pool(codec)
    line = b'{"id":6,"method":"mining.get_transactions","params":["5a"]}\n'
    [request] = connection.receive_data(line)
    assert request == GetTransactions(6, "5a")
    connection.answer(request, ["aa", "bb"])
    assert connection.data_to_send() == b'{"id":6,"result":["aa","bb"],"error":null}\n'


# --- mining.configure ------------------------------------------------------------------------


def configure(connection: ServerConnection, params: bytes) -> Configure:
    [request] = connection.receive_data(
        b'{"id":1,"method":"mining.configure","params":%b}\n' % params
    )
    assert type(request) is Configure
    return request


@pytest.mark.parametrize(
    ("miner", "pool", "granted"),
    [
        (b'{"version-rolling.mask":"ffffffff"}', 0x1FFFE000, 0x1FFFE000),
        (b'{"version-rolling.mask":"00ffe000"}', 0x1FFFE000, 0x00FFE000),
        (b"{}", 0x1FFFE000, 0x1FFFE000),
    ],
)
def test_the_mask_granted_is_what_both_sides_have(
    codec: Codec, miner: bytes, pool: int, granted: int
) -> None:
    connection = new_pool(codec)
    request = configure(connection, b'[["version-rolling"],%b]' % miner)
    assert connection.configured(request, version_mask=pool) == granted
    assert connection.version_mask == granted
    assert connection.data_to_send() == (
        b'{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"%08x"},"error":null}\n'
        % granted
    )


@pytest.mark.parametrize(("miner", "pool"), [(b"00001fff", 0x1FFFE000), (b"ffffffff", None)])
def test_no_common_bit_is_answered_false_and_never_by_a_zero_mask(
    codec: Codec, miner: bytes, pool: int | None
) -> None:
    connection = new_pool(codec)
    request = configure(connection, b'[["version-rolling"],{"version-rolling.mask":"%b"}]' % miner)
    assert connection.configured(request, version_mask=pool) == 0
    assert connection.data_to_send() == (
        b'{"id":1,"result":{"version-rolling":false},"error":null}\n'
    )


def test_every_extension_is_answered(codec: Codec) -> None:
    connection = new_pool(codec)
    names = b'["version-rolling","minimum-difficulty","subscribe-extranonce","info","new"]'
    request = configure(connection, b'[%b,{"minimum-difficulty.value":2048}]' % names)
    connection.configured(request, version_mask=0x1FFFE000, minimum_difficulty=True)
    assert connection.data_to_send() == (
        b'{"id":1,"result":{"version-rolling":true,"minimum-difficulty":true,'
        b'"subscribe-extranonce":true,"info":true,"new":false,'
        b'"version-rolling.mask":"1fffe000"},"error":null}\n'
    )
    assert connection.extranonce_subscribed


def test_an_extension_with_senseless_parameters_is_answered_false(codec: Codec) -> None:
    connection = new_pool(codec)
    request = configure(
        connection,
        b'[["version-rolling","minimum-difficulty"],{"version-rolling.mask":"zz"}]',
    )
    connection.configured(request, version_mask=0x1FFFE000, minimum_difficulty=True)
    assert connection.data_to_send() == (
        b'{"id":1,"result":{"version-rolling":false,"minimum-difficulty":false},"error":null}\n'
    )


def test_what_the_application_does_not_want_is_answered_false(codec: Codec) -> None:
    connection = new_pool(codec)
    request = configure(
        connection,
        b'[["minimum-difficulty","subscribe-extranonce","info"],{"minimum-difficulty.value":1}]',
    )
    connection.configured(request, subscribe_extranonce=False, info=False)
    assert connection.data_to_send() == (
        b'{"id":1,"result":{"minimum-difficulty":false,"subscribe-extranonce":false,'
        b'"info":false},"error":null}\n'
    )
    assert not connection.extranonce_subscribed


# --- what the pool sends by itself -----------------------------------------------------------


def test_pushes_are_exact_to_the_byte(codec: Codec) -> None:
    connection = ready_pool(codec)
    connection.configured(configure(connection, b'[["version-rolling"]]'), version_mask=0x1FFFE000)
    connection.extranonce_subscribed = True
    connection.data_to_send()
    connection.set_difficulty(1024)
    connection.notify(b'{"a job":1}\n')
    connection.set_extranonce(b"\x08\x00\x00\x03")
    assert connection.set_version_mask(0x00FFE000) == connection.version_mask == 0x00FFE000
    connection.reconnect()
    connection.reconnect("pool.example", 3333, 5)
    connection.show_message("maintenance at 8")
    assert connection.get_version() == 1
    assert connection.data_to_send().splitlines() == [
        b'{"id":null,"method":"mining.set_difficulty","params":[1024]}',
        b'{"a job":1}',
        b'{"id":null,"method":"mining.set_extranonce","params":["08000003",8]}',
        b'{"id":null,"method":"mining.set_version_mask","params":["00ffe000"]}',
        b'{"id":null,"method":"client.reconnect","params":[]}',
        b'{"id":null,"method":"client.reconnect","params":["pool.example",3333,5]}',
        b'{"id":null,"method":"client.show_message","params":["maintenance at 8"]}',
        b'{"id":1,"method":"client.get_version","params":[]}',
    ]


def test_a_miner_is_not_sent_what_it_does_not_know(codec: Codec) -> None:
    connection = ready_pool(codec)
    with pytest.raises(LocalProtocolError, match="does not know"):
        connection.set_extranonce(b"1234")
    with pytest.raises(LocalProtocolError, match="cannot roll"):
        connection.set_version_mask(0x1FFFE000)


def test_answers_carry_the_id_as_it_came(codec: Codec) -> None:
    connection = ready_pool(codec)
    [request] = connection.receive_data(SUBMIT.replace(b'"id":3', b'"id":"3"'))
    assert type(request) is Submit
    connection.accept(request)
    assert connection.data_to_send() == b'{"id":"3","result":true,"error":null}\n'
    connection.authorized(Authorize(None, "rig.1", ""))
    assert connection.data_to_send() == b'{"id":null,"result":true,"error":null}\n'


def taken_over(connection: ServerConnection, codec: Codec) -> ServerConnection:
    other = new_pool(codec)
    other.restore(connection.snapshot())
    return other


def test_another_connection_goes_on_where_one_left_off(codec: Codec) -> None:
    """Whatever comes next, it answers as the first would have."""
    pieces = (
        b'{"id":1,"method":"mining.configure","params":[["version-rolling"],'
        b'{"version-rolling.mask":"1fffe000"}]}\n',
        SUBSCRIBE,
        AUTHORIZE,
        b'{"id":7,"method":"mining.extranonce.subscribe","params":[]}\n',
        SUBMIT,
        SUBSCRIBE,
        SUBMIT[:10],
        SUBMIT[10:],
    )
    for count in range(len(pieces) + 1):
        stays, moves = new_pool(codec), new_pool(codec)
        for connection in (stays, moves):
            connection.pads_nonce = True
            for piece in pieces[:count]:
                serve(connection, piece)
        heir = taken_over(moves, codec)
        for piece in pieces[count:]:
            assert serve(heir, piece) == serve(stays, piece)
            assert heir.data_to_send() == stays.data_to_send()
        for name in ("state", "version_mask", "extranonce_subscribed", "pads_nonce"):
            assert getattr(heir, name) == getattr(stays, name)


def test_what_was_queued_and_asked_goes_along(codec: Codec) -> None:
    connection = ready_pool(codec)
    asked = connection.get_version()
    connection.data_to_send()
    connection.show_message("hello")
    heir = taken_over(connection, codec)
    assert b"hello" in heir.data_to_send()
    assert connection.data_to_send() == b""
    (answer,) = serve(heir, b'{"id":%d,"result":"cgminer","error":null}\n' % asked)
    assert answer.method == "client.get_version"  # type: ignore[union-attr]
    assert heir.get_version() == asked + 1
