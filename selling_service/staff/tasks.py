"""What the worker does about staff: it forgets what is old."""

from selling_service.database import SellingRuntime
from selling_service.staff.models import PEOPLE
from shared.kit.jobs import Task
from shared.kit.people.retention import staff_retention


def tasks(runtime: SellingRuntime) -> list[Task]:
    """The tasks of this room."""
    return [staff_retention(runtime, PEOPLE)]
