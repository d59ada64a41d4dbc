"""Shapes of sellers in the staff's API. A key goes in and never comes out."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from reselling_service.sellers.models import Seller
from reselling_service.sellers.rules import Circuit, circuit, clean_url
from shared.contract.basics import CurrencyCode, Input, Output, Timestamp, shown
from shared.kit.clock import Clock
from shared.kit.text import Line
from shared.kit.tls import Trust, check_key, fingerprint, read_certificates, read_pin

_URL = "https://provider.example.com"
_PIN = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
_KEY = "tps_0196f0c47c1d7c5e9c573d4f6a1b2c3d_and-its-secret"
Name = Annotated[Line, Field(max_length=100)]
SellerURL = Annotated[
    str,
    StringConstraints(max_length=500),
    AfterValidator(clean_url),
    Field(examples=[_URL], description="Where the seller is reached."),
]


def _header_safe(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a key holds no spaces and only printable ASCII characters")
    return key


SellerKey = Annotated[
    SecretStr,
    Field(min_length=16, max_length=500, examples=[_KEY]),
    AfterValidator(_header_safe),
]


def _usable(pem: str) -> str:
    try:
        return read_certificates(pem)
    except ValueError as error:
        raise ValueError("this isn't PEM with certificates and nothing else") from error


PEM = Annotated[str, StringConstraints(min_length=1, max_length=50_000)]
Certificates = Annotated[PEM, AfterValidator(_usable)]
Pin = Annotated[
    str,
    StringConstraints(max_length=100),
    AfterValidator(read_pin),
    Field(description="SHA-256 of the seller's certificate, as hex.", examples=[_PIN]),
]


class SellerTLS(Input):
    """How TLS with the seller is done. Everything null: as browsers do it."""

    model_config = shown({"pin": _PIN}, {"authority": None, "pin": None})

    authority: Certificates | None = Field(
        default=None, description="PEM: only what these sign is believed to be the seller."
    )
    pin: Pin | None = None
    certificate: Certificates | None = Field(
        default=None, description="PEM: our own, with its chain, where the seller asks for one."
    )
    key: Annotated[SecretStr, Field(max_length=20_000)] | None = Field(
        default=None, description="PEM without a password: the key of our certificate."
    )

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> "SellerTLS":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: send both or neither")
        if self.certificate is not None and self.key is not None:
            check_key(self.certificate, self.key.get_secret_value())
        return self

    def trust(self) -> Trust:
        """The same, as connections use it."""
        key = self.key.get_secret_value() if self.key is not None else None
        return Trust(authority=self.authority, pin=self.pin, certificate=self.certificate, key=key)


class NewSeller(Input):
    """A seller to be connected: our name for it, where it is, and the key it gave us."""

    model_config = shown({"name": "Provider A", "url": _URL, "key": _KEY})

    name: Name
    url: SellerURL
    key: SellerKey
    tls: SellerTLS = Field(default_factory=SellerTLS)


class SellerChange(Input):
    """What is to be changed; fields left out stay."""

    model_config = shown({"name": "Provider A, Frankfurt"})

    name: Name | None = None
    url: SellerURL | None = None


class NewKey(Input):
    """A key that takes the place of the old one."""

    model_config = shown({"key": _KEY})

    key: SellerKey


class LinkView(Output):
    """How calls went lately: ok or broken, since when and why."""

    state: str
    since: Timestamp | None
    problem: str | None


class CircuitView(Output):
    """Whether calls go out; `retry_at` is when the next one does, as a probe."""

    state: Circuit
    failures: int
    retry_at: Timestamp | None


class TLSView(Output):
    """How TLS with the seller is done. Fingerprints are SHA-256, as hex."""

    authority: str | None = Field(description="Fingerprint of the authority that alone counts.")
    pin: str | None = Field(description="Fingerprint that the seller's certificate must have.")
    certificate: str | None = Field(description="Fingerprint of our own certificate.")


class SellerView(Output):
    """A seller as staff see it."""

    id: UUID
    name: str
    url: str
    key_hint: str
    enabled: bool
    installation_id: UUID
    currency: CurrencyCode
    edition: str
    contract_min: str
    contract_max: str
    partner_state: str
    capabilities: dict[str, bool]
    clock_offset_ms: int = Field(description="The seller's clock minus ours, milliseconds.")
    hints: bool = Field(description="Whether the seller sends hints that there is news.")
    tls: TLSView
    link: LinkView
    circuit: CircuitView
    created_at: Timestamp


def seller_view(row: Seller, clock: Clock) -> SellerView:
    """Show a seller's row."""
    state = circuit(retry_at=row.retry_after, now=clock.now())
    return SellerView(
        id=row.id,
        name=row.name,
        url=row.url,
        key_hint=row.key_hint,
        enabled=row.enabled,
        installation_id=row.installation_id,
        currency=row.currency,
        edition=row.about["edition"],
        contract_min=row.about["contract_min"],
        contract_max=row.about["contract_max"],
        partner_state=row.about["partner_state"],
        capabilities=row.about["capabilities"],
        clock_offset_ms=row.clock_offset_ms,
        hints=row.hook_id is not None,
        tls=TLSView(
            authority=fingerprint(row.tls_authority) if row.tls_authority else None,
            pin=row.tls_pin,
            certificate=fingerprint(row.tls_certificate) if row.tls_certificate else None,
        ),
        link=LinkView(state=row.link, since=row.link_since, problem=row.link_problem),
        circuit=CircuitView(state=state, failures=row.failures, retry_at=row.retry_after),
        created_at=row.created_at,
    )
