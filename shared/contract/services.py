"""Orders and commands on services, and how a service looks from outside.

Nothing here can name a client: `client_ref` and `service_ref` are random ids of the reseller.
"""

import re
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.contract.basics import (
    Actor,
    Capability,
    Flag,
    GivenTime,
    Input,
    Money,
    Output,
    PartnerActor,
    Period,
    PowerState,
    ServiceState,
    SuspensionReason,
    TerminateWhen,
    Timestamp,
    Whole,
    shown,
)

_KEY_LINE = re.compile(
    r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) ([A-Za-z0-9+/]+={0,3})(?: .*)?$"
)


def without_comment(line: str) -> str:
    """Cut the comment of an OpenSSH public key: it often names a person."""
    found = _KEY_LINE.match(line.strip())
    if found is None:
        message = "not an OpenSSH public key line"
        raise ValueError(message)
    return f"{found[1]} {found[2]}"


Hostname = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        to_lower=True,
        pattern=r"^(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?))*$",
    ),
]
SSHKey = Annotated[str, StringConstraints(max_length=8192), AfterValidator(without_comment)]
CryptHash = Annotated[
    str, StringConstraints(max_length=256, pattern=r"^\$(6|y|2b)\$[./A-Za-z0-9$=,]+$")
]
OSCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


def capabilities_for(
    ssh_keys: Sequence[str], password: str | None, user_data: str | None
) -> set[Capability]:
    """What a platform must be able to do for options like these."""
    asked = {
        Capability.SSH_KEYS: bool(ssh_keys),
        Capability.PASSWORD: password is not None,
        Capability.USER_DATA: user_data is not None,
    }
    return {capability for capability, wanted in asked.items() if wanted}


class OrderOptions(Input):
    """What the VM shall be like inside. The password travels as a crypt(3) hash only."""

    os: OSCode = Field(examples=["debian-12"])
    hostname: Hostname = Field(examples=["web-1.example.com"])
    ssh_keys: list[SSHKey] = Field(default=[], max_length=20)
    password_hash: CryptHash | None = Field(default=None, repr=False)
    user_data: Annotated[str, StringConstraints(max_length=65536)] | None = Field(
        default=None, repr=False
    )

    def asks_for(self) -> set[Capability]:
        """What the platform must be able to do beside size and system."""
        return capabilities_for(self.ssh_keys, self.password_hash, self.user_data)


class OrderRequest(Input):
    """An order. `max_price` is the total of the first charge with set-up fee.

    With `again`, the service was built before and the seller, restored from a backup, has forgotten
    it: its VM is found again and left as it stands; where there is none, the order fails.
    """

    model_config = shown(
        {
            "service_ref": "5b0c1f0e-8f5e-4c5e-9c57-3d4f6a1b2c3d",
            "client_ref": "c1a7c0de-0b1e-4d6f-8a68-4e5f7b2c3d4e",
            "tariff_id": "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d",
            "tariff_version": 1,
            "period": "month",
            "options": {
                "os": "debian-12",
                "hostname": "web-1.example.com",
                "ssh_keys": [
                    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"
                ],
            },
            "max_price": {"amount": 990, "currency": "EUR"},
        }
    )

    service_ref: UUID
    client_ref: UUID
    tariff_id: UUID
    tariff_version: Annotated[Whole, Field(ge=1, le=2**31 - 1)]
    period: Period
    options: OrderOptions
    max_price: Money
    # Left out where it says nothing, so that an older seller understands all other orders.
    again: Flag = Field(default=False, exclude_if=lambda value: not value)


class RenewRequest(Input):
    """Prolong the term that ends at `from` by one period."""

    model_config = shown(
        {"from": "2030-02-01T10:00:00Z", "max_price": {"amount": 990, "currency": "EUR"}}
    )

    from_: GivenTime = Field(alias="from")
    max_price: Money | None = None


class SuspendRequest(Input):
    """Suspend in the name of `actor`."""

    model_config = shown({"actor": "client", "reason": "requested"})

    actor: PartnerActor = PartnerActor.PARTNER
    reason: SuspensionReason = SuspensionReason.REQUESTED


class ResumeRequest(Input):
    """Lift the suspension of `actor`."""

    model_config = shown({"actor": "client"})

    actor: PartnerActor = PartnerActor.PARTNER


class PowerRequest(Input):
    """Start, stop and restart need no words."""

    model_config = shown({})


class RenameRequest(Input):
    """Another host name; the guest sees it at its next start."""

    model_config = shown({"hostname": "web-2.example.com"})

    hostname: Hostname


class TerminateRequest(Input):
    """End the service now, or when the paid term is over."""

    model_config = shown({"when": "period_end"})

    when: TerminateWhen = TerminateWhen.NOW


class RestoreRequest(Input):
    """Take a termination back. Without a future `paid_until`, `renew` must be true."""

    model_config = shown({"renew": True, "max_price": {"amount": 990, "currency": "EUR"}})

    renew: Flag = False
    max_price: Money | None = None

    @model_validator(mode="after")
    def _price_needs_renewal(self) -> "RestoreRequest":
        if self.max_price is not None and not self.renew:
            message = "max_price is only for a restore with renew"
            raise ValueError(message)
        return self


class Suspension(Output):
    """One actor's suspension."""

    actor: Actor | str
    reason: SuspensionReason | str
    since: Timestamp


class ServiceFacts(Output):
    """What was built: vCPUs, MiB of RAM, GiB of disk, addresses, OS template."""

    vcpu: int
    ram_mib: int
    disk_gib: int
    ipv4: list[str]
    os: str


class ServiceStatus(Output):
    """The public state that also travels in events: no content of the client."""

    service_ref: UUID
    client_ref: UUID
    revision: int = Field(description="Grows with every change of this service.")
    state: ServiceState | str
    power: PowerState | str = Field(description="What the platform last showed.")
    wanted_power: PowerState | str = Field(description="What it returns to after suspensions.")
    suspensions: list[Suspension]
    tariff_id: UUID
    tariff_version: int
    period: Period | str
    activated_at: Timestamp | None
    paid_until: Timestamp | None
    terminate_at: Timestamp | None
    terminated_at: Timestamp | None
    delete_at: Timestamp | None
    facts: ServiceFacts


class ServiceView(ServiceStatus):
    """A service as its partner sees it, with the host name and the allowed commands."""

    hostname: str
    data_center: str
    installation_id: UUID
    created_at: Timestamp
    renewal_price: Money
    allowed: list[str] = Field(description="Commands that the present state allows.")


class InventoryItem(Output):
    """One line of the inventory: enough to see a difference."""

    service_ref: UUID
    client_ref: UUID
    installation_id: UUID
    revision: int
    state: ServiceState | str
    power: PowerState | str
    paid_until: Timestamp | None
    suspended_by: list[str]


class InventoryPage(Output):
    """A page of the inventory; `head` is the feed's cursor from before the first row was read."""

    items: list[InventoryItem]
    next: str | None
    head: str | None
