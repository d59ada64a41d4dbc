"""What is compared between the two sides: digests of ranges, and the lines of the money.

Ranges are those of `service_ref` by its leading hexadecimal digits. Only ranges whose digests
differ need be listed.
"""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contract.basics import Money, Output, Timestamp

# An even number of digits, so that each level cuts a range into 256.
Prefix = Annotated[
    str, Field(pattern=r"^([0-9a-f]{2}){0,3}$", description="Leading digits of `service_ref`.")
]
RangePrefix = Annotated[
    str, Field(pattern=r"^([0-9a-f]{2}){0,4}$", description="Leading digits of `service_ref`.")
]


class RangeDigest(Output):
    """One range that isn't empty.

    The digest is the sum, modulo 2^60, of the first 60 bits of the MD5 of each row's line, in
    hexadecimal. A service's line is `service_ref|client_ref|revision|state|power|paid_until|actors`
    (microseconds since 1970, empty where null; actors of suspensions sorted, by commas); a charge's
    is `service_ref|operation_id|amount|currency`.
    """

    prefix: str
    count: int
    digest: str


class InventoryDigests(Output):
    """The 256 ranges below a prefix, those that are empty left out."""

    prefix: str
    services: list[RangeDigest]
    charges: list[RangeDigest]


class ChargeLine(Output):
    """One charge for a service. `command_id` is null where the provider decided it."""

    operation_id: UUID
    command_id: UUID | None
    service_ref: UUID
    kind: str = Field(description="order or renewal")
    amount: Money
    at: Timestamp
