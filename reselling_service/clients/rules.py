"""Rules of clients: what states they have."""

from enum import StrEnum


class ClientState(StrEnum):
    """A closed client keeps their history, and can neither log in nor order."""

    ACTIVE = "active"
    CLOSED = "closed"
