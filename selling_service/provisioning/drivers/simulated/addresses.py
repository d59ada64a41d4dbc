"""Addresses for VMs that nobody reaches: a pure function from a running number to an address."""

from ipaddress import IPv4Network

# First the ranges for documentation (RFC 5737), then the shared one (RFC 6598): none is anybody's.
_NETWORKS = tuple(
    IPv4Network(network)
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "100.64.0.0/10")
)


def address(number: int) -> str:
    """Return the address with this number, counted from 0; another number, another address.

    Raises `ValueError` when there are no more.
    """
    for network in _NETWORKS:
        # Neither the network's own address nor its broadcast.
        usable = network.num_addresses - 2
        if number < usable:
            return str(network[number + 1])
        number -= usable
    raise ValueError("all addresses are given")
