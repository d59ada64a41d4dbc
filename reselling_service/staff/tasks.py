"""What the worker does about staff: it forgets what is old."""

from reselling_service.database import ResellingRuntime
from reselling_service.staff.models import PEOPLE
from shared.kit.jobs import Task
from shared.kit.people.retention import staff_retention


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""
    return [staff_retention(runtime, PEOPLE)]
