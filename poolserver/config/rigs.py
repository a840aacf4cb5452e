"""The settings on how rigs are dealt with: listeners, the protocol, limits."""

from math import inf
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc
from poolserver.config.values import (
    Difficulty,
    FilePath,
    IpNetwork,
    ListenAddress,
    RemoteEndpoint,
    VersionMask,
)

# The default of a field that load.py works out from the other settings, once they are known:
# whoever makes such a section by hand gives the field.
WORKED_OUT: Any = msgspec.UNSET

# Loopback, and what no packet from outside can come from: RFC 1918, RFC 4193.
PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)


class ListenerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A port that miners connect to; at least one. At difficulty 1 a share takes 2^32 hashes.
    `min_difficulty` = `start_difficulty` = `max_difficulty` pins the difficulty.
    """

    address: Annotated[
        ListenAddress,
        doc(
            "Where to listen; IPv6 as `[::]:3333`, which is IPv6 alone. Port 0 is any free port, "
            "and is logged."
        ),
    ]
    start_difficulty: Annotated[
        Difficulty,
        doc(
            "What a miner starts at until its hashrate is known. 65536 is a share every 1.4 s "
            "from a rig of 200 TH/s: enough to know it at once, and no flood from a thousand.",
            default="65536, on regtest 2^-20; moved into the two limits below",
        ),
    ] = WORKED_OUT
    min_difficulty: Annotated[
        Difficulty,
        doc(
            "Vardiff goes no lower. Below 1 not every firmware counts aright.",
            default="1, on regtest 2^-32; or `start_difficulty` if that is lower",
        ),
    ] = WORKED_OUT
    max_difficulty: Annotated[
        Difficulty,
        doc("Vardiff goes no higher.", default="none (the network's difficulty)"),
    ] = inf
    tls_cert: Annotated[
        FilePath | None,
        doc(
            "Makes this a TLS port (`stratum+ssl`): the certificate with its chain, in PEM. The "
            "files are looked at once a minute and a new pair holds for new connections."
        ),
    ] = None
    tls_key: Annotated[FilePath | None, doc("The certificate's private key, in PEM.")] = None
    proxy_protocol_from: Annotated[
        tuple[IpNetwork, ...],
        doc(
            "Proxies whose connections begin with a PROXY protocol header (version 1 or 2) that "
            "tells the rig's own address. Connections from anywhere else are then refused.",
            default="none: no header is expected",
        ),
    ] = ()


class StratumConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How miners are dealt with. The defaults suit all common firmware."""

    version_mask: Annotated[
        VersionMask,
        doc(
            "Bits of the block version that miners may roll (BIP320). `1fffffe0` is the wider "
            "mask of the draft BIP323.",
            default='`"1fffe000"`',
        ),
    ] = 0x1FFFE000
    target_shares_per_minute: Annotated[
        float,
        Meta(gt=0, le=600),
        doc(
            "What vardiff aims at, for each connection. At 12 a rig's hashrate is known to "
            "7.5% after a quarter of an hour; halving it doubles that time."
        ),
    ] = 12.0
    max_shares_per_minute: Annotated[
        float,
        Meta(gt=0, le=60_000),
        doc(
            "The aim grows with the workers that mine on one connection, so that the rigs behind "
            "a proxy can be told apart; but no higher than this."
        ),
    ] = 600.0
    # At least 1 KiB: a username of 191 bytes and a password are a line.
    line_limit: Annotated[
        int,
        Meta(ge=1024, le=2**20),
        doc("Longest line taken from a miner, in bytes. The longest known are below 1,000."),
    ] = 16384
    handshake_timeout_s: Annotated[
        float,
        Meta(ge=1, le=3600),
        doc("A connection that has not authorised a worker by then is closed."),
    ] = 60.0
    line_timeout_s: Annotated[
        float,
        Meta(ge=1, le=3600),
        doc("A miner that has begun a line and not ended it by then is disconnected."),
    ] = 60.0
    # At least 16 KiB: two notify lines with a coinbase of 2 KiB and 12 branches.
    outbox_limit: Annotated[
        int,
        Meta(ge=16384, le=2**24),
        doc(
            "Bytes that may wait for a miner that does not read; above it the connection is "
            "closed. 64 KiB are some twenty jobs."
        ),
    ] = 65536
    job_lifetime_s: Annotated[
        float,
        Meta(ge=60, le=7000),
        doc(
            "How long shares of a job are judged by it. A rig stays on an old job for a minute "
            "or two; memory sets the upper end."
        ),
    ] = 600.0
    refresh_interval_s: Annotated[
        float,
        Meta(ge=1, le=55),
        doc(
            "New work is sent at least so often. NerdMiner reconnects after 60 s of silence, "
            "cgminer after 90 s."
        ),
    ] = 30.0
    extranonce2_size: Annotated[
        int,
        Meta(ge=2, le=16),
        doc(
            "Bytes of extranonce left to the miner. cgminer takes 2 to 16, NiceHash at least "
            "4, WhatsMiner at most 8."
        ),
    ] = 8
    resume_window_s: Annotated[
        float,
        Meta(ge=0, le=3600),
        doc(
            "A miner that comes back within this time and names its session goes on with its "
            "extranonce1, and its shares on older jobs count. 0 resumes none."
        ),
    ] = 600.0
    reconnect_hosts: Annotated[
        tuple[RemoteEndpoint, ...],
        doc(
            "Pools of yours that miners are sent to by `client.reconnect`, in turn, when this one "
            "stops or has lost its nodes. Miners are never sent to any other host.",
            default="none: they are disconnected and find their backup pool",
        ),
    ] = ()
    firmware_file: Annotated[
        FilePath | None,
        doc(
            "More families of firmware, in the form of `poolserver/mining/data/firmware.toml`; "
            "they are looked at before those."
        ),
    ] = None


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is put up with from an address, and from a miner that sends what does not count.
    An address is *known* once a share from it was accepted: all rigs of a site may have one.
    """

    trusted_networks: Annotated[
        tuple[IpNetwork, ...],
        doc(
            "Addresses without limits, and never banned as a whole: your own network, and "
            "proxies of yours."
        ),
    ] = PRIVATE_NETWORKS
    connections_unknown: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        doc("Connections from one address (IPv6: one /64) that is not known."),
    ] = 512
    connections_known: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        doc("Connections from one that is: more than a process is built for."),
    ] = 16_384
    connections_per_second_unknown: Annotated[
        float,
        Meta(gt=0, le=1_000_000),
        doc("New connections a second from an address that is not known, after a first burst."),
    ] = 20.0
    connections_per_second_known: Annotated[
        float,
        Meta(gt=0, le=1_000_000),
        doc("The same from one that is: a site restarts at once after a curtailment."),
    ] = 2000.0
    known_for_h: Annotated[
        float,
        Meta(ge=0, le=8760),
        doc("An address is known for so long after its last accepted share."),
    ] = 168.0
    resend_after_s: Annotated[
        float,
        Meta(ge=1, le=86_400),
        doc("A miner that has had nothing accepted and only errors for so long gets all anew."),
    ] = 60.0
    reconnect_after_s: Annotated[
        float,
        Meta(ge=1, le=86_400),
        doc("After so long it is told to reconnect."),
    ] = 120.0
    drop_after_s: Annotated[
        float, Meta(ge=1, le=86_400), doc("After so long it is disconnected, which is a strike.")
    ] = 180.0
    reject_percent: Annotated[
        int,
        Meta(ge=1, le=100),
        doc("So many of a hundred shares rejected are a strike too. Stale ones do not count."),
    ] = 90
    reject_min_submits: Annotated[
        int, Meta(ge=1, le=1_000_000), doc("The part is looked at over at least so many shares.")
    ] = 50
    strikes: Annotated[
        int,
        Meta(ge=1, le=1000),
        doc(
            "So many strikes are a ban, of this username from this address; of the whole address "
            "only if it is not trusted and no miner there had a share accepted lately."
        ),
    ] = 3
    strike_window_s: Annotated[
        float,
        Meta(ge=1, le=86_400),
        doc("Strikes count together within so long; also what *lately* means."),
    ] = 600.0
    ban_s: Annotated[float, Meta(ge=1, le=86_400 * 7), doc("How long a ban lasts.")] = 900.0
    pool_fault_percent: Annotated[
        int,
        Meta(ge=1, le=100),
        doc(
            "Where a larger part of all miners has its shares rejected at once, and at least "
            "five, the fault is the pool's: nobody is banned, and there is an alarm."
        ),
    ] = 20
