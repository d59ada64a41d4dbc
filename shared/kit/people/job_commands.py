"""The commands `jobs …` of a service's command line: look at stuck jobs, revive, discard."""

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any

import typer

from shared.kit.db import WriteSession
from shared.kit.jobs import JobColumns
from shared.kit.jobs.dead import find_job, list_stuck
from shared.kit.people.principals import Unattended
from shared.kit.people.schemas import DiscardInput, JobOutput
from shared.kit.people.stuck_jobs import discard, job_output, revive
from shared.kit.people.tables import People

MOST_SHOWN = 200
_ACROSS = 200
JobNumber = Annotated[int, typer.Argument(min=1, help="The job's number.")]
Run = Callable[[Callable[[WriteSession], Awaitable[Any]]], Any]


def job_commands(
    run: Run, people: People, *, jobs: type[JobColumns], kept: Collection[str]
) -> typer.Typer:
    """`list show revive discard`. `run` acts in one transaction as staff, and says errors."""
    app = typer.Typer(no_args_is_help=True, help="Work that is stuck: dead, or set aside.")
    doer = Unattended.CLI

    @app.command("list")
    def list_() -> None:
        """List them, oldest first."""

        async def act(session: WriteSession) -> list[JobOutput]:
            rows = await list_stuck(session, jobs, after=None, limit=MOST_SHOWN)
            return [job_output(row) for row in rows[:MOST_SHOWN]]

        for job in run(act):
            _line(job)

    @app.command("show")
    def show(job_id: JobNumber) -> None:
        """Show one, whatever its state, as JSON."""

        async def act(session: WriteSession) -> JobOutput:
            return job_output(await find_job(session, jobs, job_id=job_id))

        typer.echo(json.dumps(run(act).model_dump(mode="json"), indent=1, ensure_ascii=False))

    @app.command("revive")
    def revive_(job_id: JobNumber) -> None:
        """Try one again, now, with all its attempts."""
        run(lambda session: revive(session, people, doer, jobs, job_id=job_id))
        typer.echo(f"job {job_id} is tried again")

    @app.command("discard")
    def discard_(
        job_id: JobNumber,
        *,
        reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")],
    ) -> None:
        """Throw one away for good."""

        async def act(session: WriteSession) -> None:
            why = DiscardInput(reason=reason).reason
            await discard(session, people, doer, jobs, job_id=job_id, reason=why, kept=kept)

        run(act)
        typer.echo(f"job {job_id} is thrown away")

    return app


def _line(job: JobOutput) -> None:
    error = " ".join((job.last_error or "").split())
    counts = f"attempts={job.attempts} crashes={job.crashes}"
    line = f"{job.id} {job.kind} {job.state} {counts} since={job.created_at:%FT%TZ} {error}"
    typer.echo(line[:_ACROSS])
