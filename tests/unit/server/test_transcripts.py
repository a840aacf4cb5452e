"""Known clients against the whole session: raw bytes in, exact bytes out."""

from pathlib import Path

import pytest

from tests.unit.server.transcripts.player import Cut, Player, byte_by_byte, in_one_piece

TRANSCRIPTS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
}


@pytest.fixture(params=[in_one_piece, byte_by_byte], ids=lambda cut: cut.__name__)
async def player(request: pytest.FixtureRequest) -> Player:
    cut: Cut = request.param
    return Player(cut)


@pytest.mark.parametrize("client", TRANSCRIPTS)
async def test_a_known_client_is_answered_to_the_byte(player: Player, client: str) -> None:
    player.play(TRANSCRIPTS[client])


# A farm's proxy (slush0/stratum-mining-proxy mining_proxy.py, mining_libs/stratum_listener.py): one
# connection for all its rigs, subscribed without a name before any of them is there. It passes on
# the name of each, and parts the extranonce2 among them: the first byte tells whose work it was.
# Params go first, as its dicts come out.
RIGS = 20
PROXY_SUBSCRIBES = """
> {"params": [], "id": 1, "method": "mining.subscribe"}
< {"id":1,"result":[[["mining.set_difficulty","00000000000000000000000000000001"],\
["mining.notify","00000000000000000000000000000001"]],"03c00000",8],"error":null}
"""
PROXY_HAS_WORK = """
< {"id":null,"method":"mining.set_difficulty","params":[0.0000000009313225746154785]}
< $notify 1 101 true
"""


def authorize(name: str, request_id: int) -> str:
    return f'> {{"params": ["{name}", "x"], "id": {request_id}, "method": "mining.authorize"}}\n'


def submit(rig: int, name: str, job_id: str, request_id: int) -> str:
    return (
        f'> {{"params": ["{name}", "{job_id}", "{rig:02x}00000000000000", "6923a000", "$nonce"],'
        f' "id": {request_id}, "method": "mining.submit"}}\n'
    )


def accepted(request_id: int) -> str:
    return f'< {{"id":{request_id},"result":true,"error":null}}\n'


def refused(request_id: int, code: int, reason: str) -> str:
    return f'< {{"id":{request_id},"result":null,"error":[{code},"{reason}",null]}}\n'


async def test_a_proxy_has_many_workers_on_one_connection(player: Player) -> None:
    rigs = [(rig, f"demo.rig{rig:02}") for rig in range(1, RIGS + 1)]
    player.play(PROXY_SUBSCRIBES)
    player.play(authorize("stranger.rig", 2) + refused(2, 24, "unauthorized"))
    for rig, name in rigs:
        answer = accepted(100 + rig) + (PROXY_HAS_WORK if rig == 1 else "")
        player.play(authorize(name, 100 + rig) + answer)
    # Of each rig a share; of one that was refused all the same; of one again.
    job, number = "4e006923a0001", 200
    shares = "".join(submit(rig, name, job, number + rig) for rig, name in rigs)
    shares += submit(77, "stranger.rig", job, 301) + submit(7, "demo.rig07", job, 302)
    answers = "".join(accepted(number + rig) for rig, _ in rigs)
    answers += refused(301, 24, "unauthorized") + refused(302, 22, "duplicate")
    player.play(shares + answers + f"={' accepted' * RIGS} unauthorized duplicate")
    # The hall again, a tip later; the last rig is late.
    player.play("! block 102\n< $notify 2 102 true")
    job, number = "4e006923a0002", 400
    shares = "".join(submit(rig, name, job, number + rig) for rig, name in rigs)
    shares += submit(99, "demo.rig20", "4e006923a0001", 501)
    answers = "".join(accepted(number + rig) for rig, _ in rigs) + refused(501, 21, "stale")
    player.play(shares + answers + f"={' accepted' * RIGS} stale")
    assert player.booked_by_worker() == dict.fromkeys(range(1, RIGS + 1), 2)
