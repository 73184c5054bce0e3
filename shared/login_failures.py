"""Failed logins: so many of an address, and of all together, and then a wait. Kept in the process only."""

import ipaddress
import time
from collections import OrderedDict
from typing import Final

# Failed logins of one address: so many at once, and then one more each so many seconds.
FAILURES: Final = 10
SECONDS_PER_FAILURE: Final = 6.0
# Of all addresses together. Beyond that each address has one failure instead of FAILURES, so that many
# strangers can't keep out an owner who hasn't failed.
ALL_FAILURES: Final = 200
SECONDS_PER_ANY_FAILURE: Final = 0.3
MAX_ADDRESSES: Final = 1024


class LoginFailures:
    """Failed logins by address, forgotten one by one as time passes."""

    def __init__(self) -> None:
        # When the last failure of each address will be forgotten; the oldest entries come first.
        self._until: OrderedDict[str, float] = OrderedDict()
        self._all_until = 0.0

    def wait(self, address: str) -> float:
        """Seconds until the address may try again; 0 if it may now."""
        now = time.monotonic()
        many = self._all_until - now > (ALL_FAILURES - 1) * SECONDS_PER_ANY_FAILURE
        allowed = 0 if many else FAILURES - 1
        left = self._until.get(network(address), 0.0) - now
        return max(left - allowed * SECONDS_PER_FAILURE, 0.0)

    def add(self, address: str) -> None:
        """The address has given a wrong token or password."""
        now, key = time.monotonic(), network(address)
        self._until[key] = max(self._until.get(key, 0.0), now) + SECONDS_PER_FAILURE
        self._until.move_to_end(key)
        if len(self._until) > MAX_ADDRESSES:
            self._until.popitem(last=False)
        self._all_until = max(self._all_until, now) + SECONDS_PER_ANY_FAILURE


def network(address: str) -> str:
    """The address, or of IPv6 the network of which a host has all addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address
