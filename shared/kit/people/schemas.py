"""Shapes of the routes about staff, the audit and the sandbox's clock."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.contract.basics import Flag, Input, Output, Timestamp, Whole, shown
from shared.kit.people.principals import Role
from shared.kit.text import Line, Password

_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=254,
        pattern=rf"^[^\s@{_CONTROLS}]+@[^\s@{_CONTROLS}]+$",
    ),
    Field(examples=["olga@example.com"]),
]
YEAR_SECONDS = 366 * 86_400
_PASSWORD = "correct horse battery"  # noqa: S105 (an example in the documentation)


class LoginInput(Input):
    """E-mail address and password of a person of the staff."""

    model_config = shown({"email": "olga@example.com", "password": _PASSWORD})

    email: Email
    password: Password


class LoginOutput(Output):
    """A session. The token is shown once."""

    token: str = Field(repr=False, examples=["hGm0…43 characters"])
    expires_at: Timestamp


class PasswordInput(Input):
    """One's own new password. All sessions end."""

    model_config = shown(
        {"current_password": _PASSWORD, "new_password": "another horse and battery"}
    )

    current_password: Password
    new_password: Password


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
    password: Password


class StaffChangeInput(Input):
    """What shall be different; what is left out or null stays. A new password ends all sessions."""

    model_config = shown({"role": "finance"}, {"active": False})

    name: Line | None = None
    role: Role | None = None
    active: Flag | None = Field(default=None, description="false: may no longer log in.")
    password: Password | None = None


class StaffOutput(Output):
    """A person of the staff."""

    id: UUID
    email: str
    name: str
    role: Role
    active: bool
    created_at: Timestamp
    deactivated_at: Timestamp | None


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
