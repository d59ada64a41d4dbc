"""What the worker does for the desk: looks over the books, and forgets old attempts."""

from selling_service.database import SellingRuntime
from selling_service.desk.actions import MONEY
from selling_service.services.actions.attempts import prune_attempts
from shared.kit.desk.tasks import desk_tasks
from shared.kit.jobs import Task


def tasks(runtime: SellingRuntime) -> list[Task]:
    """The tasks of this room."""
    return desk_tasks(runtime, MONEY, prune_attempts)
