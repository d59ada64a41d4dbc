"""Makes the row of a new client, whoever asks for it."""

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError

from reselling_service.clients.errors import EMAIL_TAKEN
from reselling_service.clients.models import Client
from reselling_service.clients.rules import ClientState
from shared.kit.db import WriteSession
from shared.kit.passwords import refuse_weak_password
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError
from shared.kit.text import same_email


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a client tells of themselves."""

    email: str
    name: str
    phone: str | None
    address: str | None


async def add_client(
    session: WriteSession,
    client_id: ClientId,
    profile: Profile,
    *,
    password_hash: str | None,
    note: str | None = None,
) -> Client:
    """The row of a new client. Raises `email_taken`."""
    client = Client(
        id=client_id,
        email=same_email(profile.email),
        name=profile.name,
        phone=profile.phone,
        address=profile.address,
        note=note,
        password_hash=password_hash,
        state=ClientState.ACTIVE,
        created_at=session.clock.now(),
    )
    try:
        async with session.begin_nested():
            session.add(client)
    except IntegrityError as error:
        raise email_taken() from error
    return client


def check_new_password(password: str, profile: Profile) -> None:
    """Raise `invalid_request` where it would be guessed early."""
    personal = (profile.email, profile.name)
    refuse_weak_password(password, personal=personal, path="body.password")


def email_taken() -> ProblemError:
    """Somebody else logs in with this address."""
    return ProblemError(EMAIL_TAKEN, "Log in with this address, or use another one.")
