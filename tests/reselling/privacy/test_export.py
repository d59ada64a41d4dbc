"""A client gets all that is held about them, and nothing of anybody else."""

import csv
import io
from collections.abc import AsyncIterator

import pytest

from shared.kit.sheets import Cell, to_csv
from tests.reselling.house import PASSWORD
from tests.reselling.privacy.planted import EMAIL, Planted, open_planted


@pytest.fixture
async def planted(reselling_database_url: str) -> AsyncIterator[Planted]:
    async with open_planted(reselling_database_url) as opened:
        yield opened


async def test_the_export_tells_everything_to_the_client_and_the_same_to_staff(
    planted: Planted,
) -> None:
    berta = await planted.house.sign_up("Berta")
    mine = await planted.client.get("/client/v1/export")
    staffs = await planted.house.owner.get(f"/staff/v1/clients/{planted.client.id}/export")
    assert mine | {"made_at": None} == staffs | {"made_at": None}
    profile = mine["profile"]
    assert (profile["email"], profile["name"]) == (EMAIL, "Planted Renamed")
    assert (profile["note"], profile["phone"]) == ("planted note", "+49 planted")
    assert [one["agent"] for one in mine["sessions"]] == ["Planted Browser"]
    (service,) = mine["services"]
    assert (service["name"], service["hostname"]) == ("planted by staff", "planted.example.com")
    assert service["addresses"] == ["192.0.2.7"]
    assert [entry["kind"] for entry in mine["statement"]][:1] == ["top_up"]
    assert len(mine["orders"]) == 1
    assert [command["kind"] for command in mine["commands"]] == ["order"]
    assert {"client.change", "client.top_up"} <= {entry["action"] for entry in mine["audit"]}
    text = str(mine)
    assert "argon2" not in text
    assert PASSWORD not in text
    assert str(berta.id) not in text
    assert str(planted.house.owner.id) not in text
    hers = await berta.get("/client/v1/export")
    assert (hers["services"], hers["audit"], hers["statement"]) == ([], [], [])


async def test_the_statement_for_a_spreadsheet_holds_no_formula(planted: Planted) -> None:
    answers = [
        await planted.client.ask("GET", "/client/v1/statement.csv"),
        await planted.house.owner.ask(
            "GET", f"/staff/v1/clients/{planted.client.id}/statement.csv"
        ),
    ]
    assert answers[0].text == answers[1].text
    assert answers[0].headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answers[0].headers["Content-Disposition"]
    header, first, *_ = list(csv.reader(io.StringIO(answers[0].text)))
    line = dict(zip(header, first, strict=True))
    assert (line["kind"], line["text"], line["amount"]) == ("top_up", "'=planted transfer", "5000")


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\ufeff=1", "\uff1d1"],
)
def test_a_cell_that_begins_a_formula_becomes_text(cell: str) -> None:
    (row,) = list(csv.reader(io.StringIO(to_csv(["a"], [[cell]]), newline="")))[1:]
    assert row == [f"'{cell}"]


def test_numbers_and_harmless_texts_stay_as_they_are() -> None:
    rows: list[list[Cell]] = [["a-b", -5, None, 'say "hi", twice']]
    assert list(csv.reader(io.StringIO(to_csv(["x"], rows), newline="")))[1] == [
        "a-b",
        "-5",
        "",
        'say "hi", twice',
    ]
