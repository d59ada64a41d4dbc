"""Names of services that ended long ago go by themselves."""

from datetime import timedelta

from sqlalchemy import text

from reselling_service.clients.tasks import tasks as client_tasks
from reselling_service.privacy.tasks import tasks
from tests.job import job_of
from tests.reselling.privacy.planted import open_planted, write


async def test_names_of_an_ended_service_are_kept_for_thirty_days(
    reselling_database_url: str,
) -> None:
    async with open_planted(reselling_database_url) as planted:
        (forget,) = tasks(planted.shop.runtime)
        for _ in range(2):
            await forget.work(job_of(forget.kind))
            assert (await planted.service()).name == "planted by staff"
            await planted.end() if (await planted.service()).heard_state == "active" else None
        planted.shop.clock.advance(timedelta(days=29))
        await forget.work(job_of(forget.kind))
        assert (await planted.service()).forgotten_at is None
        planted.shop.clock.advance(timedelta(days=2))
        await forget.work(job_of(forget.kind))
        service = await planted.service()
        assert (service.name, service.forgotten_at) == ("erased", planted.shop.clock.now())
        assert b"planted.example.com" not in await planted.dump()
        (shown,) = (await planted.house.owner.get("/staff/v1/services"))["items"]
        assert shown["hostname"] == "erased"


async def test_a_clients_sessions_that_are_over_go(reselling_database_url: str) -> None:
    async with open_planted(reselling_database_url) as planted:
        assert b"planted browser" in await planted.dump()
        (forget,) = client_tasks(planted.house.runtime)
        await forget.work(job_of(forget.kind))
        assert b"planted browser" in await planted.dump()
        late = client_tasks(planted.shop.runtime)[0]
        planted.shop.clock.advance(timedelta(days=400))
        await late.work(job_of(late.kind))
        assert b"planted browser" not in await planted.dump()


async def test_attempts_of_clients_are_kept_for_thirty_days(reselling_database_url: str) -> None:
    async with open_planted(reselling_database_url) as planted:
        (forget,) = client_tasks(planted.house.runtime)
        body = {"email": "planted-mail@example.com", "password": "not the right one"}
        answer = await planted.house.http.post("/client/v1/login", json=body)
        assert answer.status_code == 401
        left = []
        for days in (0, 29, 2):
            older = "UPDATE client_lockouts SET last_at = last_at - make_interval(days => :days)"
            await write(planted, older, days=days)
            await forget.work(job_of(forget.kind))
            async with planted.house.runtime.staff.read() as session:
                left.append(await session.scalar(text("SELECT count(*) FROM client_lockouts")))
        assert left[0] == left[1] > 0
        assert left[2] == 0
