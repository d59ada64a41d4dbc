"""Judges answers of a seller: what ends a command, what blames the link, when to call again.

Knows status codes and our catalogue; speaks no HTTP and keeps no state.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ValidationError

from reselling_service.sellers.errors import (
    NOT_A_SELLER,
    SELLER_ADDRESS,
    SELLER_KEY_REFUSED,
    SELLER_UNREACHABLE,
    SELLER_UNWILLING,
    SellerProblem,
)
from shared.contract.basics import BASE_PATH, CONTRACT_MAJOR
from shared.contract.operations import CommandRecord, Operation
from shared.contract.problems import NO_SUCH_ROUTE, PROBLEM_MEDIA_TYPE, WIRE_PROBLEMS, Problem
from shared.kit.addresses import check_url
from shared.kit.problems import ProblemError

LONGEST_RETRY_AFTER = 3600.0
FAILURES_BEFORE_OPEN = 5
# One probe in five seconds burdens nobody, and what waits shall go out soon after a seller is back.
LONGEST_OPEN_SECONDS = 5.0
PROBE_SECONDS = 30.0
# These say something about the caller, the key or the moment, never about the command.
_SAYS_NOTHING = frozenset({401, 403, 408, 425, 429})
# The seller is well and has understood us; it only won't do this, or not now.
_LINK_IS_WELL = frozenset({408, 425, 429})
_KEY_CODES = frozenset({"unauthorized", "address_not_allowed", "certificate_required"})
Shape = TypeVar("Shape", bound=BaseModel)
_HOST = re.compile(r"^[A-Za-z0-9.\-:\[\]]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back of a call, whatever it was: the body is bytes, and read only as a shape."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    retry_after: float | None

    def read(self, shape: type[Shape]) -> Shape | None:
        """Read the body as this shape; None where it isn't one."""
        try:
            return shape.model_validate_json(self.body)
        except ValidationError:
            return None

    @property
    def problem(self) -> Problem | None:
        """The problem of our catalogue that it is; None where it is none."""
        found = self.read(Problem)
        return found if found is not None and found.code in WIRE_PROBLEMS else None

    @property
    def succeeded(self) -> bool:
        """Whether it says yes."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of statuses that say yes


class Circuit(StrEnum):
    """closed: calls go out. open: they wait. half_open: the next one is a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """How the row of a seller looks after a failed call."""

    failures: int
    retry_at: datetime | None
    broken: bool


def is_final(*, status: int, media_type: str, problem: Problem | None) -> bool:
    """Whether this answer ends a command: a refusal of our catalogue and nothing else."""
    if problem is None or media_type.partition(";")[0].strip().lower() != PROBLEM_MEDIA_TYPE:
        return False
    known = WIRE_PROBLEMS.get(problem.code)
    return (
        known is not None
        and known.refused
        and problem.outcome == "refused"
        and problem.status == status
        and 400 <= status < 500  # noqa: PLR2004 - the class of statuses that blame the request
        and status not in _SAYS_NOTHING
    )


def blames_link(*, status: int | None, code: str | None) -> bool:
    """Whether this non-answer means that the link itself is in trouble."""
    if status is None:
        return True
    if key_refused(status=status, code=code) or code == NO_SUCH_ROUTE.code:
        return True
    return (status not in _LINK_IS_WELL and code not in WIRE_PROBLEMS) or status >= 500  # noqa: PLR2004


def key_refused(*, status: int | None, code: str | None) -> bool:
    """Whether no call can succeed until staff replaces the key or the seller lets us in."""
    return status == 401 or code in _KEY_CODES  # noqa: PLR2004 - no other status is as clear


def after_failure(*, failures: int, key: bool, now: datetime) -> Setback:
    """Count one more failure; the circuit opens after some in a row, at once for a bad key."""
    failures = max(failures + 1, FAILURES_BEFORE_OPEN if key else 0)
    if failures < FAILURES_BEFORE_OPEN:
        return Setback(failures=failures, retry_at=None, broken=False)
    seconds = min(LONGEST_OPEN_SECONDS, 2.0 ** min(failures - FAILURES_BEFORE_OPEN, 10))
    return Setback(failures=failures, retry_at=now + timedelta(seconds=seconds), broken=True)


def circuit(*, retry_at: datetime | None, now: datetime) -> Circuit:
    """Read the state of a seller's circuit off its row."""
    if retry_at is None:
        return Circuit.CLOSED
    return Circuit.OPEN if now < retry_at else Circuit.HALF_OPEN


def speaks_our_contract(*, lowest: str, highest: str) -> bool:
    """Whether a range like 1.0 to 1.4 holds a version of ours."""
    try:
        first, last = (int(text.partition(".")[0]) for text in (lowest, highest))
    except ValueError:
        return False
    return first <= CONTRACT_MAJOR <= last


def clean_url(text: str) -> str:
    """Return the base address of a seller without the path of the contract. Raises ValueError."""
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"}:
        raise ValueError("begin with https:// or http://")
    if not parts.hostname or not _HOST.match(parts.netloc):
        raise ValueError("name a host and, if need be, a port; no login and no password")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError("leave out ? and # and what follows")
    if parts.port == 0:
        raise ValueError("the port must be between 1 and 65535")
    path = parts.path.rstrip("/").removesuffix(BASE_PATH).rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def check_address(url: str, *, private_addresses: bool) -> None:
    """Raise `seller_address` for what can't be called, by its look alone."""
    try:
        check_url(url, private_addresses=private_addresses)
    except ValueError as error:
        detail = f"{error} Addresses at home need RESELLING_SELLER_PRIVATE_ADDRESSES=true."
        raise ProblemError(SELLER_ADDRESS, detail) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The seller has an operation for the command."""

    operation: Operation
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command is finished for good: a problem of our catalogue says so."""

    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Nothing is known of the command. `reason` holds no content of the answer."""

    status: int | None
    code: str | None
    reason: str
    retry_after: float | None
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the seller keeps of a command that was to be cancelled."""

    record: CommandRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCancellable:
    """The command is running or done at the seller."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The stream lives."""


Reply = Accepted | Refused | Nothing
CancelReply = Remembered | NotCancellable | Nothing


def problem_of(nothing: Nothing) -> SellerProblem:
    """What staff is told of a call that brought nothing."""
    status, code = nothing.status, nothing.code
    if status is None:
        type_, hint = SELLER_UNREACHABLE, "Check the address and whether the seller is up."
    elif key_refused(status=status, code=code):
        type_, hint = (
            SELLER_KEY_REFUSED,
            "Check the key, its expiry, its addresses and its certificate.",
        )
    elif code is None or code == NO_SUCH_ROUTE.code:
        type_, hint = NOT_A_SELLER, "Check the address: it must be a Tandem selling service."
    else:
        type_, hint = SELLER_UNWILLING, "See the code for what to do."
    return SellerProblem(
        type_,
        f"{nothing.reason} {hint}",
        status=status,
        code=code,
        retry_after=nothing.retry_after,
    )


class SSELines:
    """Cuts a stream of bytes into server-sent events: (id, data), or None for a comment.

    Only LF, CR and CRLF end a line: JSON may hold every other separator of Unicode.
    """

    def __init__(self, *, longest: int) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._id = ""
        self._longest = longest

    def feed(self, chunk: bytes) -> list[tuple[str, bytes] | None]:
        """What became whole with this chunk. Raises ValueError where it grows too long."""
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._rest) + sum(map(len, self._data)) > self._longest:
            raise ValueError("an event of the stream is too long")
        found: list[tuple[str, bytes] | None] = []
        for line in lines:
            self._line(line.removesuffix(b"\r"), found)
        return found

    def _line(self, line: bytes, found: list[tuple[str, bytes] | None]) -> None:
        if not line:
            if self._data:
                found.append((self._id, b"\n".join(self._data)))
            self._data = []
            return
        name, _, value = line.partition(b":")
        if not name:
            found.append(None)
        elif name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"id":
            self._id = value.removeprefix(b" ").decode(errors="replace")
