"""What holds for both sides is shown on the server's."""

from typing import Any

import pytest

from .. import Codec, Fault, Limits, Malformed, Response, ServerConnection, State, StratumError
from .helpers import AUTHORIZE, SUBMIT, SUBSCRIBE, in_pieces, new_pool, ready_pool, serve


@pytest.mark.parametrize(
    ("line", "malformed"),
    [
        (b"GET / HTTP/1.1", Malformed(None, Fault.INVALID_JSON)),
        (b'{"params":' + b"[" * 10_000, Malformed(None, Fault.INVALID_JSON)),
        (b"x" * 16_385, Malformed(None, Fault.LINE_TOO_LONG)),
        (b'{"id":1.0,"method":"mining.ping"}', Malformed(None, Fault.INVALID_ID)),
        (b"{}", Malformed(None, Fault.INVALID_MESSAGE, "the method is missing")),
        (b'{"id":7,"params":[]}', Malformed(7, Fault.INVALID_MESSAGE, "the method is missing")),
        (
            b'{"id":7,"method":7,"params":[]}',
            Malformed(7, Fault.INVALID_MESSAGE, "the method is not a string"),
        ),
        (
            b'{"id":7,"method":"mining.submit","params":{}}',
            Malformed(7, Fault.MALFORMED, "the parameters are not a list", "mining.submit"),
        ),
    ],
    ids=lambda value: value.fault.value if isinstance(value, Malformed) else "",
)
def test_what_is_wrong_is_answered_and_reported_and_the_connection_lives_on(
    codec: Codec, line: bytes, malformed: Malformed
) -> None:
    connection = ready_pool(codec)
    assert serve(connection, line + b"\n") == [malformed]
    reason = malformed.fault.value + (malformed.detail and f": {malformed.detail}")
    assert connection.data_to_send().decode() == (
        f'{{"id":{malformed.request_id or "null"},"result":null,"error":[20,"{reason}",null]}}\n'
    )
    serve(connection, SUBMIT)
    assert connection.data_to_send() == b'{"id":3,"result":true,"error":null}\n'


@pytest.mark.parametrize("request_id", [b"7", b"-7", b'"7"', b'"a\\u00e9"', b"null", b"1" * 300])
def test_ints_strings_and_null_are_ids_and_are_echoed(codec: Codec, request_id: bytes) -> None:
    connection = new_pool(codec)
    serve(connection, b'{"id":%b,"method":"mining.ping","params":[]}\n' % request_id)
    echoed = request_id.replace(b"\\u00e9", "é".encode())
    assert connection.data_to_send() == b'{"id":%b,"result":"pong","error":null}\n' % echoed


@pytest.mark.parametrize("request_id", [b"true", b"1.5", b"1e2", b"[1]", b"{}"])
def test_anything_else_is_no_id(codec: Codec, request_id: bytes) -> None:
    [event] = serve(new_pool(codec), b'{"id":%b,"method":"mining.ping"}\n' % request_id)
    assert event == Malformed(None, Fault.INVALID_ID)


def test_each_line_is_read_in_the_state_that_the_answers_before_it_have_left(codec: Codec) -> None:
    connection = new_pool(codec)
    events = serve(connection, SUBSCRIBE + SUBMIT + AUTHORIZE + SUBMIT)
    assert [type(event).__name__ for event in events] == [
        "Subscribe",
        "Submit",
        "Authorize",
        "Submit",
    ]
    assert connection.state is State.READY


def test_replies_are_in_the_order_of_the_requests(codec: Codec) -> None:
    connection = ready_pool(codec)
    serve(connection, SUBMIT + b'nonsense\n{"id":4,"method":"mining.ping"}\n' + SUBMIT)
    ids = [codec.decode(line).id for line in connection.data_to_send().splitlines()]
    assert ids == [3, None, 4, 3]


def test_bytes_are_given_to_be_sent_once(codec: Codec) -> None:
    connection = ready_pool(codec)
    assert connection.data_to_send() == b""
    serve(connection, SUBMIT + SUBMIT)
    assert connection.data_to_send() == b'{"id":3,"result":true,"error":null}\n' * 2
    assert connection.data_to_send() == b""


def test_events_that_are_not_asked_for_are_kept(codec: Codec) -> None:
    connection = ready_pool(codec)
    connection.receive_data(SUBMIT)
    assert len(list(connection.receive_data(SUBMIT))) == 2


def test_after_close_nothing_is_read(codec: Codec) -> None:
    connection = ready_pool(codec)
    events = connection.receive_data(SUBMIT * 2)
    next(events)
    connection.close()
    assert list(events) == []
    assert list(connection.receive_data(SUBMIT)) == []
    connection.close()
    assert connection.state is State.CLOSED


def test_a_line_that_was_begun_is_known_until_it_ends_or_the_connection_does(
    codec: Codec,
) -> None:
    connection = ready_pool(codec)
    known = []
    for piece in (SUBMIT, SUBMIT + SUBMIT[:20], SUBMIT[20:], SUBMIT[:20]):
        serve(connection, piece)
        known.append(connection.is_within_line)
    connection.close()
    assert [*known, connection.is_within_line] == [False, True, False, True, False]


def test_an_answer_is_matched_with_its_request(codec: Codec) -> None:
    connection = ready_pool(codec)
    request_id = connection.get_version()
    answer = b'{"id":%d,"result":"cgminer/4.11.1","error":null}\n' % request_id
    response = Response(request_id, "client.get_version", "cgminer/4.11.1", None)
    assert serve(connection, answer) == [response]
    assert serve(connection, answer) == [response._replace(method=None)]


@pytest.mark.parametrize(
    ("members", "response"),
    [
        (b'"id":9,"result":null,"error":null', Response(9, None, None, None)),
        (
            b'"id":null,"result":null,"error":[20,"x",null]',
            Response(None, None, None, StratumError(20, "x")),
        ),
        (b'"id":"a","result":false', Response("a", None, False, None)),
    ],
)
def test_an_answer_is_never_answered(codec: Codec, members: bytes, response: Any) -> None:
    connection = ready_pool(codec)
    assert serve(connection, b"{%b}\n" % members) == [response]
    assert connection.data_to_send() == b""


def test_the_line_limit_is_the_one_that_was_set(codec: Codec) -> None:
    connection = ServerConnection(codec=codec, limits=Limits(line_bytes=10))
    assert serve(connection, SUBSCRIBE) == [Malformed(None, Fault.LINE_TOO_LONG)]


def test_bytes_make_the_same_events_one_by_one(codec: Codec) -> None:
    data = SUBSCRIBE + b"x" * 20_000 + b"\r\n" + AUTHORIZE + SUBMIT + b"{}\n"
    whole, pieces = new_pool(codec), new_pool(codec)
    events = serve(whole, data)
    assert [event for piece in in_pieces(data) for event in serve(pieces, piece)] == events
    assert pieces.data_to_send() == whole.data_to_send()
