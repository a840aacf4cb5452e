"""The worker with what rigs see of it: stopgaps, refuges, certificates, proxies, strangers."""

import asyncio
import ssl
from pathlib import Path

import msgspec
import pytest

from poolserver._vendor.asyncio_stratum import Reconnect
from poolserver.cluster.messages import ListenerSettings, WorkerStarted
from poolserver.config import LimitsConfig
from poolserver.outfit import limit_settings
from poolserver.server.tls import TlsError
from tests.unit.server.certificates import Authority
from tests.unit.server.hall import EASIEST, REFRESH_S, Hall, running
from tests.unit.solving import template

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["rig/1.0"]}\n'


def stopgap(height: int = 102, tip: int = 2) -> object:
    return msgspec.structs.replace(template(height=height, tip=tip), stopgap=True)


async def test_a_stopgap_goes_out_at_once_and_so_does_the_full_template_after_it(
    hall: Hall,
) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.template(stopgap())  # type: ignore[arg-type]
    empty = await rig.job()
    assert empty.clean_jobs
    hall.template(template(height=102, tip=2))
    full = await rig.job()
    assert not full.clean_jobs  # rigs move off the empty one as they like
    assert full.prevhash_le == empty.prevhash_le


async def test_the_time_without_a_full_template_is_measured(hall: Hall) -> None:
    hall.template(template())
    hall.template(stopgap())  # type: ignore[arg-type]
    hall.clock += 1.5
    assert hall.counters().stopgap_seconds == 1.5
    rig = await hall.rig()
    await rig.submit(await rig.job())
    hall.template(template(height=102, tip=2))
    hall.clock += 10.0
    counters = hall.counters()
    assert counters.stopgap_seconds == 1.5
    assert counters.stopgap_work > 0


async def test_rule_8_work_is_refreshed_every_30_seconds(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    first = await rig.job()
    hall.tick(REFRESH_S)
    second = await rig.job()
    assert not second.clean_jobs
    assert second.coinb1 != first.coinb1


async def test_rigs_are_sent_to_the_hosts_of_the_config_in_turn_and_to_no_other(
    tmp_path: Path,
) -> None:
    hosts = (("one.example", 3333), ("two.example", 3334))
    async with running(tmp_path, reconnect_hosts=hosts) as hall:
        hall.template(template())
        rigs = [await hall.rig(f"demo.{n}") for n in range(3)]
        for rig in rigs:
            await rig.job()
        hall.tick(1000.0)
        told = [await rig.event() for rig in rigs]
        assert all(isinstance(event, Reconnect) for event in told)
        assert {(event.host, event.port) for event in told} == set(hosts)


async def test_a_listener_may_ask_for_tls_and_its_certificate_is_looked_after(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    ends = authority.write(2040)
    listener = ListenerSettings(
        "127.0.0.1",
        0,
        EASIEST,
        EASIEST,
        EASIEST,
        tls_cert=str(authority.cert_file),
        tls_key=str(authority.key_file),
    )
    async with running(tmp_path, listeners=(listener,)) as hall:
        assert hall.counters().certificate_expires_unix == ends
        answer = await ask(hall.port, SUBSCRIBE, authority.client)
        assert b"mining.notify" in answer
        ends = authority.write(2041)
        hall.worker.reception.look_at_certificates()
        assert hall.counters().certificate_expires_unix == ends
        authority.write_key()
        hall.worker.reception.look_at_certificates()  # logged, and the one in force stays
        assert hall.counters().certificate_expires_unix == ends


async def test_a_certificate_that_is_not_there_is_named_at_the_start(tmp_path: Path) -> None:
    listener = ListenerSettings(
        "127.0.0.1", 0, EASIEST, EASIEST, EASIEST, tls_cert="no/cert.pem", tls_key="no/key.pem"
    )
    with pytest.raises(TlsError, match=r"no/cert.pem: No such file"):
        async with running(tmp_path, listeners=(listener,)):
            pass


async def test_behind_a_proxy_limits_are_for_the_rigs_own_address(tmp_path: Path) -> None:
    listener = ListenerSettings(
        "127.0.0.1", 0, EASIEST, EASIEST, EASIEST, proxy_protocol_from=("127.0.0.0/8",)
    )
    limits = limit_settings(LimitsConfig(trusted_networks=(), connections_unknown=1))
    async with running(tmp_path, listeners=(listener,), limits=limits) as hall:
        held = await asyncio.open_connection("127.0.0.1", hall.port)
        held[1].write(b"PROXY TCP4 203.0.113.1 192.0.2.1 1 3333\r\n" + SUBSCRIBE)
        assert await held[0].readline()
        same = b"PROXY TCP4 203.0.113.1 192.0.2.1 2 3333\r\n" + SUBSCRIBE
        other = b"PROXY TCP4 203.0.113.2 192.0.2.1 3 3333\r\n" + SUBSCRIBE
        assert await ask(hall.port, same) == b""
        assert b"mining.notify" in await ask(hall.port, other)
        assert await ask(hall.port, SUBSCRIBE) == b""
        assert hall.counters().refused == {"too_many_connections": 1, "proxy_header": 1}
        held[1].close()


async def test_several_listeners_have_each_their_own_terms(tmp_path: Path) -> None:
    listeners = (
        ListenerSettings("127.0.0.1", 0, 1.0, 1.0, 1.0),
        ListenerSettings("::1", 0, 1024.0, 1024.0, 1024.0),
    )
    async with running(tmp_path, listeners=listeners) as hall:
        hall.template(template())
        (started,) = hall.all_of(WorkerStarted)
        told = [
            await difficulty_at(host, port)
            for host, port in zip(("127.0.0.1", "::1"), started.ports, strict=True)
        ]
        assert told == [b'"params":[1]', b'"params":[1024]']


async def test_an_operators_firmware_goes_before_ours(tmp_path: Path) -> None:
    table = '[[firmware]]\nfamily = "mine"\nuser_agent = ["test-rig"]\nmin_difficulty = 7'
    vardiff = ListenerSettings("127.0.0.1", 0, EASIEST, EASIEST, 2.0**60)
    async with running(tmp_path, firmware=table, listeners=(vardiff,)) as hall:
        rig = await hall.rig()
        hall.template(template())
        event = await rig.event()
        assert event.difficulty == 7.0


async def ask(port: int, line: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Say a line and read one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(line)
    try:
        async with asyncio.timeout(5):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def difficulty_at(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(SUBSCRIBE + b'{"id":2,"method":"mining.authorize","params":["demo.rig","x"]}\n')
    async with asyncio.timeout(5):
        while b"set_difficulty" not in (line := await reader.readline()) or b'"id":1' in line:
            pass
    writer.close()
    return line[line.index(b'"params"') :].rstrip(b"}\n")
