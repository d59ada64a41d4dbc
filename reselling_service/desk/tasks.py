"""What the worker does for the desk: looks over the books, and forgets old attempts."""

from reselling_service.commands.actions.sending import prune_attempts
from reselling_service.database import ResellingRuntime
from reselling_service.desk.actions import MONEY
from shared.kit.desk.tasks import desk_tasks
from shared.kit.jobs import Task


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""
    return desk_tasks(runtime, MONEY, prune_attempts)
