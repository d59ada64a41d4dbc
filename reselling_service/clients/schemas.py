"""Shapes of the clients' API: who somebody is stays in this house."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, EmailStr, Field
from pydantic.config import JsonDict

from shared.contract.basics import Input, Output, Timestamp
from shared.kit.text import IN_ONE_FORM, GivenPassword, Line, Lines, NewPassword

_EXAMPLE_EMAIL = "anna@example.com"
_PROFILE: JsonDict = {
    "email": _EXAMPLE_EMAIL,
    "name": "Anna Example",
    "phone": "+49 30 0000000",
    "address": "Example Street 1, Berlin",
}
_PASSWORD = "correct horse battery"  # noqa: S105 - an example in the documentation

Email = Annotated[EmailStr, IN_ONE_FORM, Field(max_length=254, examples=[_EXAMPLE_EMAIL])]
Name = Annotated[Line, Field(examples=["Anna Example"])]
Phone = Annotated[Line, Field(max_length=50, examples=["+49 30 0000000"])]
Address = Annotated[Lines, Field(max_length=1000, examples=["Example Street 1, Berlin"])]


class SignUpRequest(Input):
    """A new client's own registration."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_PROFILE, "password": _PASSWORD}]})

    email: Email
    name: Name
    password: NewPassword = Field(repr=False)
    phone: Phone | None = None
    address: Address | None = None


class LoginRequest(Input):
    """A login. The length of the password is not looked at here: only whether it fits."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": _EXAMPLE_EMAIL, "password": _PASSWORD}]}
    )

    email: Email
    password: GivenPassword = Field(repr=False)


class SessionView(Output):
    """A login that succeeded. The token is shown once."""

    token: str = Field(repr=False, description="Send it as `Authorization: Bearer <token>`.")
    expires_at: Timestamp
    client_id: UUID


class ProfileView(Output):
    """A client's own data."""

    id: UUID
    email: str = Field(examples=[_EXAMPLE_EMAIL])
    name: str = Field(examples=["Anna Example"])
    phone: str | None
    address: str | None
    created_at: Timestamp


class ProfileChange(Input):
    """What shall be different; fields left out stay, null empties phone and address."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"phone": "+49 30 1111111"}]})

    name: Name = Field(default_factory=str)
    phone: Phone | None = None
    address: Address | None = None


class PasswordChange(Input):
    """One's own new password. All sessions end with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current": _PASSWORD, "new": "another horse and battery"}]}
    )

    current: GivenPassword = Field(repr=False)
    new: NewPassword = Field(repr=False)


class ClientCreate(Input):
    """A client made by staff; without a password nobody can log in yet."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_PROFILE, "password": None, "note": "From the fair"}]}
    )

    email: Email
    name: Name
    password: NewPassword | None = Field(default=None, repr=False)
    phone: Phone | None = None
    address: Address | None = None
    note: Lines | None = None


class ClientChange(Input):
    """What staff changes; fields left out stay, null empties phone, address and note."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Anna Beispiel", "note": None}]}
    )

    email: Email = Field(default_factory=str)
    name: Name = Field(default_factory=str)
    password: NewPassword = Field(default_factory=str, repr=False)
    phone: Phone | None = None
    address: Address | None = None
    note: Lines | None = None


class ClientView(ProfileView):
    """A client as staff sees it."""

    state: str = Field(examples=["active"])
    note: str | None
    can_log_in: bool
