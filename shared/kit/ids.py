"""Makes ids: time-ordered ones for our rows, random ones for what must tell nothing."""

from uuid import UUID, uuid4, uuid5

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7: rows made later sort later, indexes stay dense."""
    return uuid7()


def new_ref() -> UUID:
    """A UUIDv4 for references that leave the house: not even the time can be read from it."""
    return uuid4()


def id_for(owner: UUID, what: str, ref: UUID) -> UUID:
    """The one id that this owner's reference leads to, also where its row was forgotten."""
    return uuid5(owner, f"{what} {ref}")
