"""The second factor of staff: one-time codes by time (RFC 6238), and codes for a lost device.

A code counts once, a step of 30 s early or late. The time is the injected clock's, so that a
sandbox whose clock was moved on is not for devices that show the real one.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pyotp
from sqlalchemy import CursorResult, delete, func, insert, select

from shared.kit.db import ReadSession, WriteSession
from shared.kit.keys import hash_secret
from shared.kit.people.auditing import audit
from shared.kit.people.errors import (
    SECOND_FACTOR_ACTIVE,
    SECOND_FACTOR_MISSING,
    SECOND_FACTOR_REQUIRED,
    SECOND_FACTOR_WRONG,
)
from shared.kit.people.principals import Doer, StaffPrincipal
from shared.kit.people.tables import FactorColumns, People
from shared.kit.problems import ProblemError

STEP_SECONDS = 30
RECOVERY_CODES = 10
# 80 random bits: no slow hash is needed, as with session tokens.
_CODE_LETTERS, _CODE_LENGTH = "abcdefghijkmnpqrstuvwxyz23456789", 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a device needs, shown once: the secret in base32, and the same as an otpauth URI."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorState:
    """Whether there is one, since when, and how many recovery codes are left."""

    active: bool
    confirmed_at: datetime | None
    recovery_codes_left: int


async def factor_state(session: ReadSession, people: People, *, staff_id: UUID) -> FactorState:
    """How it stands with a person's second factor."""
    codes = people.recovery_codes
    row = await session.get(people.factors, staff_id)
    left = select(func.count()).select_from(codes).where(codes.staff_id == staff_id)
    confirmed_at = row.confirmed_at if row else None
    return FactorState(
        active=confirmed_at is not None,
        confirmed_at=confirmed_at,
        recovery_codes_left=await session.scalar(left) or 0,
    )


async def enrol(session: WriteSession, people: People, person: StaffPrincipal) -> Enrolment:
    """Begin: a new secret, which counts once a code of it was shown. Raises `..._active`."""
    known = await _lock(session, people, staff_id=person.id)
    if known is not None and known.confirmed_at is not None:
        detail = "Take the present one off first, with a code of it or a recovery code."
        raise ProblemError(SECOND_FACTOR_ACTIVE, detail)
    row = known or people.factors()
    secret = pyotp.random_base32()
    row.staff_id, row.secret = person.id, session.vault.encrypt_text(secret)
    row.last_step, row.created_at, row.confirmed_at = 0, session.clock.now(), None
    session.add(row)
    await session.flush()
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=people.name)
    return Enrolment(secret=secret, uri=uri)


async def confirm(
    session: WriteSession, people: People, person: StaffPrincipal, *, code: str
) -> list[str]:
    """Switch it on with a first code; the recovery codes, shown once.

    Raises `second_factor_missing`, `second_factor_active`, `second_factor_wrong`.
    """
    row = await _lock(session, people, staff_id=person.id)
    if row is None:
        raise _missing()
    if row.confirmed_at is not None:
        raise ProblemError(SECOND_FACTOR_ACTIVE, "It is on already; nothing was changed.")
    if not _use_timed_code(session, row, code):
        raise _wrong()
    row.confirmed_at = session.clock.now()
    codes = await _new_codes(session, people, staff_id=person.id)
    await _remember(session, people, person, "staff.second_factor_on", staff_id=person.id)
    return codes


async def renew_codes(session: WriteSession, people: People, person: StaffPrincipal) -> list[str]:
    """New recovery codes in the place of all old ones. Raises `second_factor_missing`."""
    row = await _lock(session, people, staff_id=person.id)
    if row is None or row.confirmed_at is None:
        raise _missing()
    codes = await _new_codes(session, people, staff_id=person.id)
    await _remember(session, people, person, "staff.recovery_codes", staff_id=person.id)
    return codes


async def take_off(
    session: WriteSession, people: People, doer: Doer, *, staff_id: UUID, action: str
) -> None:
    """No second factor any more. Raises `second_factor_missing`."""
    row = await _lock(session, people, staff_id=staff_id)
    if row is None:
        raise _missing()
    codes = people.recovery_codes
    await session.execute(delete(codes).where(codes.staff_id == staff_id))
    await session.delete(row)
    await session.flush()
    await _remember(session, people, doer, action, staff_id=staff_id)


async def pass_factor(
    session: WriteSession, people: People, *, staff_id: UUID, code: str | None
) -> None:
    """Let pass who has no second factor, or shows a good code, which is used up by that.

    Raises `second_factor_required`, `second_factor_wrong`.
    """
    row = await _lock(session, people, staff_id=staff_id)
    if row is None or row.confirmed_at is None:
        return
    if code is None:
        detail = "Send the login again with `code`: of your device, or a recovery code."
        headers = {"WWW-Authenticate": "Bearer"}
        raise ProblemError(SECOND_FACTOR_REQUIRED, detail, headers=headers)
    if _use_timed_code(session, row, code):
        await session.flush()
        return
    if not await _use_recovery_code(session, people, staff_id=staff_id, code=code):
        raise _wrong()


def _use_timed_code(session: ReadSession, row: FactorColumns, code: str) -> bool:
    """Whether it is a code of now or a step around, newer than any used; then it is used."""
    device = pyotp.TOTP(session.vault.decrypt_text(row.secret))
    given = code.replace(" ", "").encode()
    now = int(session.clock.now().timestamp()) // STEP_SECONDS
    found = [
        step
        for step in (now - 1, now, now + 1)
        if hmac.compare_digest(device.generate_otp(step).encode(), given) and step > row.last_step
    ]
    if found:
        row.last_step = found[0]
    return bool(found)


async def _use_recovery_code(
    session: WriteSession, people: People, *, staff_id: UUID, code: str
) -> bool:
    table = people.recovery_codes
    mine = delete(table).where(table.staff_id == staff_id, table.code_hash == _hash(code))
    return bool(cast("CursorResult[Any]", await session.execute(mine)).rowcount)


async def _new_codes(session: WriteSession, people: People, *, staff_id: UUID) -> list[str]:
    table = people.recovery_codes
    await session.execute(delete(table).where(table.staff_id == staff_id))
    codes = [_make_code() for _ in range(RECOVERY_CODES)]
    rows: Sequence[dict[str, object]] = [
        {"code_hash": _hash(code), "staff_id": staff_id} for code in codes
    ]
    await session.execute(insert(table), rows)
    return codes


def _make_code() -> str:
    letters = "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_LENGTH))
    return "-".join(letters[start : start + 4] for start in range(0, _CODE_LENGTH, 4))


def _hash(code: str) -> bytes:
    return hash_secret(code.lower().replace("-", "").replace(" ", ""))


async def _lock(session: WriteSession, people: People, *, staff_id: UUID) -> FactorColumns | None:
    table = people.factors
    statement = select(table).where(table.staff_id == staff_id).with_for_update()
    fresh = statement.execution_options(populate_existing=True)
    return (await session.scalars(fresh)).one_or_none()


def _missing() -> ProblemError:
    return ProblemError(SECOND_FACTOR_MISSING, "Nothing was changed. Enrol a device first.")


def _wrong() -> ProblemError:
    detail = "Wait for the next code of your device, and look whether its clock is right."
    return ProblemError(SECOND_FACTOR_WRONG, detail)


async def _remember(
    session: WriteSession, people: People, doer: Doer, action: str, *, staff_id: UUID
) -> None:
    await audit(session, people, doer, action, object_type="staff", object_id=staff_id)
