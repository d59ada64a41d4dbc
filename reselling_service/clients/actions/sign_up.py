"""Lets people become clients by themselves, not too many of one address.

Without e-mail there is no way to hide that an address is taken: who signs up may log in at once,
and who can't was told. So the answer is an honest one, and few of them are given to one address.
"""

from datetime import timedelta

from reselling_service.clients.actions.adding import Profile, add_client, check_new_password
from reselling_service.clients.actions.login import OpenedSession, open_session
from reselling_service.clients.models import ClientLockout
from reselling_service.settings import ResellingSettings
from shared.kit.callers import CallerInfo
from shared.kit.db import Database, WriteSession
from shared.kit.ids import new_id
from shared.kit.passwords import hash_password
from shared.kit.people.throttles import Limit, Throttle, too_often
from shared.kit.principals import ClientId

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_THROTTLE = Throttle(ClientLockout)


async def sign_up(
    database: Database,
    settings: ResellingSettings,
    profile: Profile,
    caller: CallerInfo,
    *,
    password: str,
) -> OpenedSession:
    """A new client, logged in at once. Raises `email_taken`, `rate_limited`, `invalid_request`."""
    check_new_password(password, profile)
    async with database.write() as session:
        await _count(session, settings, caller)
    # Before the look whether the address is taken, so that both answers take as long.
    password_hash = await hash_password(password)
    client_id = ClientId(new_id())
    async with database.write(tenant=client_id) as session:
        await add_client(session, client_id, profile, password_hash=password_hash)
        await _THROTTLE.give_back(session, _key(session, b"taken", caller))
        return await open_session(session, client_id, settings, caller)


async def _count(session: WriteSession, settings: ResellingSettings, caller: CallerInfo) -> None:
    """Count it as one that meets a taken address, until it turns out that it doesn't."""
    for what, limit in (
        (b"taken", _limit(settings.taken_sign_ups_per_address)),
        (b"sign-up", _limit(settings.sign_ups_per_address)),
    ):
        key = _key(session, what, caller)
        if not await _THROTTLE.take(session, key, limit):
            seconds = await _THROTTLE.seconds_to_wait(session, key, limit)
            raise too_often(f"Too many sign-ups from your address. Wait {seconds} s.", seconds)


def _limit(most: int) -> Limit:
    return Limit(most=most, first=5 * _MINUTE, longest=_HOUR, quiet=_HOUR)


def _key(session: WriteSession, what: bytes, caller: CallerInfo) -> bytes:
    return session.vault.fingerprint(b"client sign-up", what, caller.network.encode())
