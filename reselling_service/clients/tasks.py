"""What the worker does about clients: it forgets logins that are over."""

from reselling_service.clients.models import ClientLockout, ClientSession
from reselling_service.database import ResellingRuntime
from shared.kit.jobs import Job, Task
from shared.kit.people.retention import EVERY, forget_logins


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""

    async def forget(_job: Job) -> None:
        await forget_logins(
            runtime.staff, runtime.settings, sessions=ClientSession, lockouts=ClientLockout
        )

    return [Task(kind="forget_client_logins", work=forget, every=EVERY)]
