"""Rules of clients: what states they have, how e-mail addresses are compared."""

import unicodedata
from enum import StrEnum


class ClientState(StrEnum):
    """A closed client keeps their history, and can neither log in nor order."""

    ACTIVE = "active"
    CLOSED = "closed"


def same_email(email: str) -> str:
    """The address as it is kept and looked for, whatever way it was typed.

    In lower case; wide letters, ligatures and the like are those that they stand for.
    """
    return unicodedata.normalize("NFKC", email).strip().lower()
