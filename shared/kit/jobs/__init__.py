"""Durable jobs: enqueued in the caller's transaction, worked at least once, completed once."""

from shared.kit.jobs.queue import Job, JobLost, cancel_jobs, enqueue, revive_jobs
from shared.kit.jobs.table import JobColumns, WorkerColumns
from shared.kit.jobs.worker import Completion, Retry, SetAside, Setback, Task, Worker

__all__ = [
    "Completion",
    "Job",
    "JobColumns",
    "JobLost",
    "Retry",
    "SetAside",
    "Setback",
    "Task",
    "Worker",
    "WorkerColumns",
    "cancel_jobs",
    "enqueue",
    "revive_jobs",
]
