"""Ports for servers of tests, taken from where the system never puts an outgoing connection.

A port that only happened to be free is soon somebody's own end of a connection: a server that is
killed and started again then finds it taken.
"""

import random
import socket
from pathlib import Path

FIRST = 10_000
_CHANCE = random.SystemRandom()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no connection will be given."""
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    below = int(ephemeral.split()[0])
    while True:
        port = _CHANCE.randrange(FIRST, below)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
