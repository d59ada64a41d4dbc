"""Rules of clients: what states they have, how e-mail addresses are compared."""

from enum import StrEnum


class ClientState(StrEnum):
    """A closed client keeps their history, and can neither log in nor order."""

    ACTIVE = "active"
    CLOSED = "closed"


def same_email(email: str) -> str:
    """The address as it is kept and looked for: in lower case, whatever way it was typed."""
    return email.strip().lower()
