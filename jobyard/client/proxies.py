"""Which proxy a request takes: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as other programs read them.

httpx reads them, too, but networks in NO_PROXY have no effect there, and those of IPv6 are an error.
"""

from ipaddress import ip_address, ip_network
from urllib.request import getproxies, proxy_bypass

from jobyard.hosts import is_this_machine, reachable


def proxy_for(scheme: str, host: str) -> str | None:
    """The address of the proxy for a server, such as `http://proxy.example:3128`; None for none.

    No proxy leads to this machine, or to what NO_PROXY has: hosts, all below a domain, addresses, networks.
    """
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None or is_this_machine(reachable(host)) or proxy_bypass(host):
        return None
    if any(_holds(entry.strip(), host) for entry in proxies.get("no", "").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _holds(entry: str, host: str) -> bool:
    """Whether an entry of NO_PROXY is the host's address, or a network with it: `[::1]`, `10.0.0.0/8`."""
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # a name
        return False
