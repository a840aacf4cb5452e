"""Whose work it is: from the username that a rig gives to the account that is credited."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.networks import Network


@dataclass(frozen=True, slots=True)
class AccountRules:
    """Which usernames are let in.

    A username is ``account``, ``account.worker``, ``address`` or ``address.worker``: what
    stands before the first dot is the account. With ``any_account`` every name is let in;
    otherwise the accounts of the sites and every address of the network are.
    """

    network: Network
    listed: Collection[str] = field(default=frozenset())
    any_account: bool = False

    def account_of(self, username: str) -> str | None:
        """The account that ``username`` books to, None where it is refused."""
        account, _, _ = username.partition(".")
        if not account or not username.isprintable():
            return None
        if account.isupper() and account.lower().startswith(self.network.bech32_hrp + "1"):
            account = account.lower()  # BIP173: for QR codes; the payee is the same
        if self.any_account or account in self.listed or _is_address(account, self.network):
            return account
        return None


@lru_cache(maxsize=4096)  # rigs of one account authorize together after a power cut
def _is_address(text: str, network: Network) -> bool:
    try:
        script_pubkey_from_address(text, network)
    except AddressError:
        return False
    return True
