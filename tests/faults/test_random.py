"""Random wishes under mixed faults from a printed seed: after healing nothing is lost or doubled.

Longer ones: `make chaos`, with COMMANDS or DURATION (seconds), SEED, SEEDS and PAUSE (seconds).
"""

import os
import random
from uuid import UUID

import pytest

from tests.faults.chaos import Chaos, Outcome
from tests.faults.lab import Lab
from tests.faults.mischief import PAUSE
from tests.journeys.behind import one, rows
from tests.journeys.invariants import check_all

pytestmark = pytest.mark.slow


def setting(name: str, default: str) -> str:
    return os.environ.get(f"CHAOS_{name}") or default


DURATION = float(setting("DURATION", "inf"))
COMMANDS = int(setting("COMMANDS", "500")) if float("inf") == DURATION else 10**9
FIRST_SEED = int(setting("SEED", str(random.SystemRandom().randrange(1, 10**6))))
SEEDS = int(setting("SEEDS", "2"))
BETWEEN_FAULTS = float(setting("PAUSE", str(PAUSE)))

CLOCKS_AHEAD = (-600, 0, 600)

LOST = {
    "reselling": "SELECT count(*) FROM commands WHERE settled_at IS NULL",
    "selling": "SELECT count(*) FROM operations WHERE finished_at IS NULL",
}
DOUBLED = {
    "reselling": """SELECT count(*) FROM (SELECT FROM entries WHERE book = 'balance'
        AND reference IS NOT NULL GROUP BY client_id, reference HAVING count(*) > 1) twice""",
    "selling": """SELECT (SELECT count(*) FROM (SELECT FROM entries WHERE book = 'balance'
            AND reference IS NOT NULL GROUP BY partner_id, reference HAVING count(*) > 1) money)
        + (SELECT count(*) FROM (SELECT FROM operations WHERE command_id IS NOT NULL
            GROUP BY partner_id, command_id HAVING count(*) > 1) done)
        + (SELECT count(*) FROM simulated_vms v WHERE NOT deleted
            AND NOT EXISTS (SELECT FROM services WHERE id = v.vm_id))""",
}
STUCK = "SELECT count(*) FROM jobs WHERE state = 'dead' OR lane IS NOT NULL"


@pytest.mark.timeout(0 if COMMANDS > 500 or float("inf") > DURATION else 1800)
@pytest.mark.parametrize("number", range(SEEDS))
def test_random_wishes_under_mixed_faults(lab: Lab, number: int) -> None:
    seed = FIRST_SEED + number
    print(f"\nchaos: seed {seed}, {COMMANDS} commands", flush=True)  # noqa: T201 - to try it again
    ahead = random.Random(seed).choice(CLOCKS_AHEAD)
    with lab.skewed("selling", seconds=ahead):
        outcome = Chaos(lab, seed, COMMANDS, DURATION, BETWEEN_FAULTS).run()
        outcome.faults[f"the seller's clock {ahead:+d} s"] = 1
        tell(lab, outcome)
        check_all(lab.chain)
    assert sum(outcome.faults.values()) > 0
    assert outcome.commands >= COMMANDS or float("inf") > DURATION


def tell(lab: Lab, outcome: Outcome) -> None:
    """Print what is asked for; AssertionError where one of the three isn't nought."""
    databases = {
        "selling": lab.chain.selling_database,
        "reselling": lab.chain.reselling_database,
    }
    lost = unanswered(lab) + sum(one(databases[name], LOST[name]) for name in LOST)
    doubled = sum(one(databases[name], DOUBLED[name]) for name in DOUBLED)
    stuck = sum(one(url, STUCK) for url in databases.values())
    words = [
        f"chaos: seed {outcome.seed}: {outcome.commands} commands, {outcome.services} services",
        f"{outcome.seconds:.0f} s under {sum(outcome.faults.values())} faults",
        f"at rest {outcome.at_rest_after:.1f} s later",
        f"faults {dict(sorted(outcome.faults.items()))}",
        f"wishes {dict(outcome.wishes)}",
        f"lost {lost}, doubled {doubled}, stuck {stuck}",
    ]
    print("; ".join(words), flush=True)  # noqa: T201 - the figures that are asked for
    assert (lost, doubled, stuck) == (0, 0, 0)


def unanswered(lab: Lab) -> int:
    """Commands that succeeded here, and of which the seller knows no operation that did."""
    here = rows(lab.chain.reselling_database, "SELECT id FROM commands WHERE state = 'succeeded'")
    there = rows(
        lab.chain.selling_database,
        "SELECT command_id FROM operations WHERE state = 'succeeded' AND command_id IS NOT NULL",
    )
    done: set[UUID] = {row["command_id"] for row in there}
    return len({row["id"] for row in here} - done)
