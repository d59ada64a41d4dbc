"""A job for a task that a test calls itself, as a schedule would."""

from shared.kit.jobs import Job


def job_of(kind: str) -> Job:
    """The first attempt at a job of this kind, of no tenant, with no payload."""
    return Job(
        id=1,
        kind=kind,
        lane=None,
        tenant_id=None,
        payload={},
        attempt=1,
        claim=1,
        max_attempts=1,
        worker=1,
        traceparent=None,
    )
