"""Shapes of the routes about staff, the audit and the sandbox's clock."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.contract.basics import Flag, Input, Output, Timestamp, Whole, shown
from shared.kit.keys import hash_secret
from shared.kit.people.principals import Role
from shared.kit.people.tables import SessionColumns, StaffColumns
from shared.kit.text import Email, GivenPassword, Line, NewPassword

YEAR_SECONDS = 366 * 86_400
_PASSWORD = "correct horse battery"  # noqa: S105 (an example in the documentation)


Code = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=6, max_length=40, pattern=r"^[0-9A-Za-z -]+$"
    ),
    Field(examples=["492039"]),
]


class LoginInput(Input):
    """E-mail address and password of a person of the staff, with a code where one is wanted."""

    model_config = shown(
        {"email": "olga@example.com", "password": _PASSWORD},
        {"email": "olga@example.com", "password": _PASSWORD, "code": "492039"},
    )

    email: Email
    password: GivenPassword = Field(repr=False)
    code: Code | None = Field(
        default=None,
        repr=False,
        description="Of the device, or a recovery code, where there is a second factor.",
    )


class LoginOutput(Output):
    """A session. The token is shown once."""

    token: str = Field(repr=False, examples=["hGm0…43 characters"])
    expires_at: Timestamp


class PasswordInput(Input):
    """One's own new password. All sessions end."""

    model_config = shown(
        {"current_password": _PASSWORD, "new_password": "another horse and battery"}
    )

    current_password: GivenPassword = Field(repr=False)
    new_password: NewPassword = Field(repr=False)


class StaffInput(Input):
    """A new person."""

    model_config = shown(
        {
            "email": "olga@example.com",
            "name": "Olga Operator",
            "role": "operator",
            "password": _PASSWORD,
        }
    )

    email: Email
    name: Line = Field(examples=["Olga Operator"])
    role: Role = Field(examples=["operator"])
    password: NewPassword = Field(repr=False)


class StaffChangeInput(Input):
    """What shall be different; what is left out or null stays. A new password ends all sessions."""

    model_config = shown({"role": "finance"}, {"active": False})

    name: Line | None = None
    role: Role | None = None
    active: Flag | None = Field(default=None, description="false: may no longer log in.")
    password: NewPassword | None = Field(default=None, repr=False)


class StaffOutput(Output):
    """A person of the staff."""

    id: UUID
    email: str
    name: str
    role: Role
    active: bool
    created_at: Timestamp
    deactivated_at: Timestamp | None


def staff_output(row: StaffColumns) -> StaffOutput:
    """The shape of a person."""
    return StaffOutput(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        active=row.deactivated_at is None,
        created_at=row.created_at,
        deactivated_at=row.deactivated_at,
    )


class SessionOutput(Output):
    """A login of one's own that is open."""

    id: UUID
    current: bool = Field(description="The one that asks.")
    created_at: Timestamp
    expires_at: Timestamp
    seen_at: Timestamp = Field(description="When it was last used, to a minute or so.")
    address: str | None = Field(examples=["192.0.2.7"])
    agent: str | None = Field(description="The browser, as it calls itself.")


def session_output(row: SessionColumns, *, asking: str) -> SessionOutput:
    """The shape of a session; `asking` is the token of the request."""
    return SessionOutput(
        id=row.id,
        current=row.token_hash == hash_secret(asking),
        created_at=row.created_at,
        expires_at=row.expires_at,
        seen_at=row.seen_at or row.created_at,
        address=row.address,
        agent=row.agent,
    )


class FactorInput(Input):
    """The beginning of an enrolment."""

    model_config = shown({"password": _PASSWORD})

    password: GivenPassword = Field(repr=False)


class FactorCodeInput(Input):
    """A first code of the device."""

    model_config = shown({"code": "492039"})

    code: Code = Field(repr=False)


class FactorProofInput(Input):
    """The password, and a code of the device or a recovery code."""

    model_config = shown({"password": _PASSWORD, "code": "492039"})

    password: GivenPassword = Field(repr=False)
    code: Code = Field(repr=False)


class FactorOutput(Output):
    """How it stands with one's second factor."""

    active: bool
    wanted: bool = Field(description="One's role can do nothing without it.")
    confirmed_at: Timestamp | None
    recovery_codes_left: int


class EnrolmentOutput(Output):
    """What the device needs. Shown once; it counts when a code of it was confirmed."""

    secret: str = Field(repr=False, description="In base32, to be typed.")
    uri: str = Field(repr=False, description="The same as otpauth://, to be shown as a QR code.")


class RecoveryCodesOutput(Output):
    """Codes for a lost device, each good for one login. Shown once."""

    recovery_codes: list[str] = Field(repr=False)


class AuditOutput(Output):
    """One change: who, what, how it was and how it is. Secrets never stand here."""

    id: UUID
    at: Timestamp
    actor_kind: str = Field(description="staff, cli or system", examples=["staff"])
    actor_id: UUID | None = Field(description="The person where actor_kind is staff.")
    action: str = Field(examples=["partner.change"])
    object_type: str = Field(examples=["partner"])
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: UUID | None
    traceparent: str
    number: int = Field(description="Its place in the chain of all entries, which has no gaps.")
    hash: str = Field(description="Of this entry and of the one before it, as hex.")
    redacted_at: Timestamp | None = Field(
        description="When before and after were taken out for ever; `audit.redact` says by whom."
    )


class ClockInput(Input):
    """How far to move the clock on."""

    model_config = shown({"advance_seconds": 3600})

    advance_seconds: Whole = Field(ge=1, le=YEAR_SECONDS, examples=[86_400])


class ClockOutput(Output):
    """The sandbox's time, and how far it is ahead of the machine's."""

    now: Timestamp
    advanced_seconds: int


class DiscardInput(Input):
    """Why a job is thrown away; the audit keeps it."""

    model_config = shown({"reason": "Made by a release with a fault that is mended"})

    reason: Line


class JobOutput(Output):
    """A piece of work that waits for a worker, or for a person."""

    model_config = shown(
        {
            "id": 4711,
            "kind": "webhook",
            "state": "dead",
            "lane": None,
            "tenant_id": "018f3c1e-6f0a-7c11-9a53-0c4f6f1f9d10",
            "payload": {"endpoint_id": "018f3c1e-6f0a-7c11-9a53-0c4f6f1f9d11"},
            "attempts": 12,
            "crashes": 0,
            "last_error": "LookupError: no such endpoint",
            "run_at": "2030-01-01T12:00:00Z",
            "created_at": "2030-01-01T11:00:00Z",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
    )

    id: int
    kind: str
    state: str = Field(description="`ready`, `running` or `dead`.")
    lane: UUID | None = Field(description="What it belongs to: a service, say.")
    tenant_id: UUID | None = Field(description="Whose it is.")
    payload: dict[str, Any]
    attempts: int
    crashes: int = Field(description="Workers that ended or froze while they worked on it.")
    last_error: str | None
    run_at: Timestamp = Field(description="When it is or was due.")
    created_at: Timestamp
    traceparent: str | None = Field(description="Look for its trace id in the logs.")
