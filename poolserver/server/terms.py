"""What a worker is told, into the terms of its parts."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from poolserver.bitcoin.networks import NETWORKS
from poolserver.cluster.messages import LimitSettings, WorkerSettings
from poolserver.mining.accounts import AccountRules
from poolserver.mining.firmware import firmware_with
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import JobTerms
from poolserver.pool import Pool, PoolTerms
from poolserver.server.admission import AdmissionTerms
from poolserver.server.conduct import ConductTerms


def networks(written: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks as the config has checked them."""
    return tuple(_unmapped(ip_network(each)) for each in written)


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4-mapped IPv6 network (::ffff:10.0.0.0/104) as the IPv4 one: so peers are seen."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


def admission_terms(limits: LimitSettings) -> AdmissionTerms:
    return AdmissionTerms(
        connections_unknown=limits.connections_unknown,
        connections_known=limits.connections_known,
        per_second_unknown=limits.connections_per_second_unknown,
        per_second_known=limits.connections_per_second_known,
        known_for_s=limits.known_for_s,
        trusted=networks(limits.trusted_networks),
    )


def conduct_terms(limits: LimitSettings) -> ConductTerms:
    return ConductTerms(
        resend_after_s=limits.resend_after_s,
        reconnect_after_s=limits.reconnect_after_s,
        drop_after_s=limits.drop_after_s,
        rejected_percent=limits.reject_percent,
        window_submits=limits.reject_min_submits,
        strikes_to_ban=limits.strikes,
        strike_window_s=limits.strike_window_s,
        proof_s=limits.strike_window_s,
        ban_s=limits.ban_s,
        fault_percent=limits.pool_fault_percent,
    )


def make_pool(identity: WorkerIdentity, settings: WorkerSettings) -> Pool:
    """The pool of a worker process, empty."""
    accounts = AccountRules(
        NETWORKS[settings.network], frozenset(settings.listed_accounts), settings.any_account
    )
    terms = PoolTerms(
        jobs=JobTerms(
            coinbase_tag=settings.coinbase_tag,
            extranonce2_size=settings.extranonce2_size,
            version_mask=settings.version_mask,
        ),
        job_lifetime_s=settings.job_lifetime_s,
        # On regtest half of all hashes are blocks: the network's difficulty is no ceiling there.
        cap_at_network_difficulty=settings.network != "regtest",
        resume_window_s=settings.resume_window_s,
    )
    return Pool(
        identity,
        terms,
        settings.payout,
        accounts.account_of,
        firmware=firmware_with(settings.firmware),
    )
