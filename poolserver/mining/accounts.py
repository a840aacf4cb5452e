"""Whose work it is: from the username that a rig gives to the account that is credited."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.networks import Network

USERNAME_MAX_BYTES = 191
"""Of UTF-8: what a session takes, so that an account always fits the ledger's 255 bytes."""


@dataclass(frozen=True, slots=True)
class AccountRules:
    """Which usernames are let in.

    A username is ``account``, ``account.worker``, ``address`` or ``address.worker``: what
    stands before the first dot is the account. With ``any_account`` every name is let in;
    otherwise the accounts of the sites and every address of the network are, and also
    ``address_worker``, which ckpool's users are used to: no address has an underscore, but an
    account may, so that only an address is looked for before it.
    """

    network: Network
    listed: Collection[str] = field(default=frozenset())
    any_account: bool = False

    def account_of(self, username: str) -> str | None:
        """The account that ``username`` books to, None where it is refused.

        Refused is also what is longer than 191 bytes or is not printable: control characters
        and the lone surrogates that JSON can write.
        """
        if len(username) > USERNAME_MAX_BYTES or not username.isprintable():
            return None
        if len(username.encode()) > USERNAME_MAX_BYTES:
            return None
        account = self._in_lower_case(username.partition(".")[0])
        if not account:
            return None
        if self.any_account or account in self.listed or _is_address(account, self.network):
            return intern(account)  # one text for all its rigs: 53 bytes less for each
        address = self._in_lower_case(account.partition("_")[0])
        return intern(address) if _is_address(address, self.network) else None

    def _in_lower_case(self, account: str) -> str:
        """An address all in capitals (BIP173: for QR codes) as its payee is booked otherwise."""
        if account.isupper() and account.lower().startswith(self.network.bech32_hrp + "1"):
            return account.lower()
        return account


@lru_cache(maxsize=4096)  # rigs of one account authorize together after a power cut
def _is_address(text: str, network: Network) -> bool:
    try:
        script_pubkey_from_address(text, network)
    except AddressError:
        return False
    return True
