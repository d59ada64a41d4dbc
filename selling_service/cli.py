"""The provider's command line: what an operator does first. It acts through the rooms' actions.

It works on the database of `SELLING_DATABASE_URL` directly, and is audited as `cli`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from selling_service.catalog.actions.load import load_catalogue
from selling_service.catalog.actions.offers import grant_offer
from selling_service.catalog.models import Tariff
from selling_service.catalog.schemas import LoadOutput, Percent, read_catalogue
from selling_service.database import TENANT_SETTING, Base, Job, SellingRuntime
from selling_service.ledger.actions import book_by_hand
from selling_service.ledger.rules import ByHand
from selling_service.ledger.schemas import MoneyInput
from selling_service.partners.actions import (
    KeyTerms,
    create_installation,
    create_key,
    create_partner,
)
from selling_service.partners.models import Installation, Partner
from selling_service.partners.schemas import InstallationInput, PartnerInput
from selling_service.provisioning.drivers.opening import open_platforms
from selling_service.reconciliation.actions.comparing import run_once
from selling_service.reconciliation.models import DESK
from selling_service.settings import get_settings
from selling_service.staff.actions import create_staff
from selling_service.staff.models import PEOPLE
from selling_service.staff.rules import KEPT_JOBS
from shared.contract.basics import Scope
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.people import Role, Unattended
from shared.kit.people.job_commands import job_commands
from shared.kit.people.schemas import StaffInput
from shared.kit.reconciling.report import read_report
from shared.kit.reconciling.schemas import ReportView
from shared.kit.telemetry import configure_logging
from shared.kit.terminal import new_password, plain_errors
from shared.kit.upkeep import add_upkeep


def _percent(text: str) -> Decimal:
    try:
        return TypeAdapter(Percent).validate_python(text)
    except ValidationError:
        raise typer.BadParameter("a number from 0 to 100") from None


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="The provider's service: staff, partners, keys, tariffs, money.",
)
add_upkeep(
    app,
    make_runtime=lambda: SellingRuntime(get_settings(), tenant_setting=TENANT_SETTING),
    people=PEOPLE,
    metadata=Base.metadata,
    package="selling_service",
)
_CLI = Unattended.CLI
Done = TypeVar("Done")
PartnerName = Annotated[str, typer.Option("--partner", help="The partner's name.")]


@app.command("create-staff")
def make_staff(
    email: str,
    *,
    name: Annotated[str, typer.Option()] = "",
    role: Annotated[Role, typer.Option()] = Role.OWNER,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read it from standard input.")
    ] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make one up, and show it once.")
    ] = False,
) -> None:
    """Make a person of the staff. Without an option, the password is asked for."""
    password = new_password(from_stdin=password_stdin, generate=generate)

    async def act(session: WriteSession) -> UUID:
        wanted = StaffInput(email=email, name=name or email, role=role, password=password)
        return await create_staff(session, _CLI, **dict(wanted))

    typer.echo(f"staff {_as_staff(act)}")
    if generate:
        typer.echo(f"password {password}")


@app.command("create-partner")
def make_partner(
    name: str,
    *,
    installation: Annotated[str, typer.Option(help="Name of its first installation.")] = "main",
) -> None:
    """Make a partner with its first installation."""

    async def act(session: WriteSession) -> tuple[UUID, UUID]:
        partner = await create_partner(session, _CLI, name=PartnerInput(name=name).name)
        first = await create_installation(
            session,
            _CLI,
            partner_id=partner.id,
            name=InstallationInput(name=installation).name,
        )
        return partner.id, first.id

    partner_id, installation_id = _as_staff(act)
    typer.echo(f"partner {partner_id}")
    typer.echo(f"installation {installation_id}")


@app.command("create-key")
def make_key(
    *,
    partner: PartnerName,
    installation: Annotated[str, typer.Option(help="Name of the installation.")] = "main",
    name: Annotated[str, typer.Option(help="What you will know the key by.")] = "first",
    scope: Annotated[list[Scope] | None, typer.Option(help="Without: all of them.")] = None,
) -> None:
    """Make a key for a partner's installation. It is shown once."""
    scopes = [one.value for one in scope or list(Scope)]

    async def act(session: WriteSession) -> str:
        partner_id = (await _partner(session, partner)).id
        statement = select(Installation.id).where(
            Installation.partner_id == partner_id, Installation.name == installation
        )
        installation_id = await session.scalar(statement)
        if installation_id is None:
            raise ValueError(f"{partner} has no installation {installation}")
        terms = KeyTerms(name=name, scopes=scopes)
        _row, token = await create_key(
            session, _CLI, partner_id=partner_id, installation_id=installation_id, terms=terms
        )
        return token

    typer.echo(_as_staff(act))


@app.command("grant")
def grant(
    *,
    partner: PartnerName,
    tariff: Annotated[str, typer.Option(help="The tariff's code.")],
    discount: Annotated[Decimal, typer.Option(parser=_percent, help="Percent.")] = Decimal(0),
) -> None:
    """Let a partner resell a tariff."""

    async def act(session: WriteSession) -> None:
        partner_id = (await _partner(session, partner)).id
        tariff_id = await session.scalar(select(Tariff.id).where(Tariff.code == tariff))
        if tariff_id is None:
            raise ValueError(f"there is no tariff {tariff}")
        await grant_offer(
            session, _CLI, partner_id=partner_id, tariff_id=tariff_id, discount_percent=discount
        )

    _as_staff(act)
    typer.echo(f"{partner} may resell {tariff}")


@app.command("load-tariffs")
def load_tariffs(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Bring the catalogue to what a YAML file says; doing it again changes nothing."""

    async def act(session: WriteSession) -> LoadOutput:
        document = read_catalogue(file.read_text(encoding="utf-8"))
        platforms = get_settings().platforms
        return await load_catalogue(session, document, platforms=platforms, staff=_CLI)

    for outcome, names in _as_staff(act).model_dump().items():
        for name in names:
            typer.echo(f"{outcome} {name}")


@app.command("top-up")
def top_up(
    amount: Annotated[int, typer.Argument(help="In minor units: 10000 is 100.00.")],
    *,
    partner: PartnerName,
    text: Annotated[str, typer.Option(help="The partner reads it.")] = "Top-up",
    reference: Annotated[
        UUID | None, typer.Option(help="The same reference is booked once.")
    ] = None,
) -> None:
    """Add money to a partner's balance."""

    async def act(session: WriteSession) -> int | None:
        wanted = MoneyInput(reference=reference or new_id(), amount=amount, text=text)
        partner_id = (await _partner(session, partner)).id
        line = await book_by_hand(
            session,
            _CLI,
            partner_id,
            ByHand.TOP_UP,
            amount=wanted.amount,
            reference=wanted.reference,
            text=wanted.text,
        )
        return line.entry.balance_after

    typer.echo(f"balance {_as_staff(act)}")


@app.command("reconcile")
def reconcile(
    *,
    run: Annotated[bool, typer.Option("--run", help="Compare everything first, here.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Print what differs between the books and the platforms, and what would put it right."""

    async def act(runtime: SellingRuntime) -> ReportView:
        if run:
            async with open_platforms(runtime) as platforms:
                await run_once(runtime, platforms, asked_by=_CLI)
        async with runtime.staff.read() as session:
            return await read_report(session, DESK)

    report = _run(act)
    typer.echo(report.model_dump_json(indent=2) if as_json else report.text)


def _run(act: Callable[[SellingRuntime], Awaitable[Done]]) -> Done:
    """Act with databases open; say errors in plain words."""

    async def run() -> Done:
        runtime = SellingRuntime(get_settings(), tenant_setting=TENANT_SETTING)
        async with runtime.running():
            return await act(runtime)

    with plain_errors():
        return asyncio.run(run())
    raise typer.Exit(1)


def _as_staff(act: Callable[[WriteSession], Awaitable[Done]]) -> Done:
    """One transaction; errors in plain words."""

    async def act_in_one(runtime: SellingRuntime) -> Done:
        async with runtime.staff.write() as session:
            return await act(session)

    return _run(act_in_one)


async def _partner(session: WriteSession, name: str) -> Partner:
    row = (await session.scalars(select(Partner).where(Partner.name == name))).one_or_none()
    if row is None:
        raise ValueError(f"there is no partner {name}")
    return row


app.add_typer(job_commands(_as_staff, PEOPLE, jobs=Job, kept=KEPT_JOBS), name="jobs")


if __name__ == "__main__":
    # What is logged must not get among what a command prints, e.g. a key.
    configure_logging(service="selling-cli", level="WARNING", json_lines=False)
    app()
