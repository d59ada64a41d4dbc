"""The trail of two sides whose clocks don't agree keeps the order in which things happened."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.contract.trail import TrailItem, TrailKind, clock_ahead, merge

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMMAND = uuid4()


def item(
    kind: TrailKind,
    *,
    at: float,
    lasts: int | None = None,
    side: str = "selling",
    of: UUID = COMMAND,
) -> TrailItem:
    """Something that happened `at` seconds after noon, by its own side's clock."""
    return TrailItem(
        at=NOON + timedelta(seconds=at),
        side=side,
        kind=kind,
        what="order",
        outcome=None,
        detail=None,
        id=of,
        milliseconds=lasts,
    )


def sending(*, at: float, lasts: int) -> TrailItem:
    return item(TrailKind.SENDING, at=at, lasts=lasts, side="reselling")


@pytest.mark.parametrize(
    ("received", "seconds"),
    [
        pytest.param(0.5, 0, id="within the sending"),
        pytest.param(601, 600, id="ahead"),
        pytest.param(-600, -600, id="behind"),
    ],
)
def test_clock_that_differs_for_certain_is_measured(received: float, seconds: int) -> None:
    ours = [sending(at=0, lasts=1000)]
    theirs = [item(TrailKind.RECEIVED, at=received)]
    assert clock_ahead(ours, theirs) == timedelta(seconds=seconds)


def test_each_of_several_sendings_may_be_the_one_that_arrived() -> None:
    ours = [sending(at=0, lasts=1000), sending(at=30, lasts=1000)]
    assert clock_ahead(ours, [item(TrailKind.RECEIVED, at=20)]) == timedelta(0)


def test_what_was_sent_by_nobody_here_tells_nothing() -> None:
    theirs = [item(TrailKind.RECEIVED, at=900, of=uuid4()), item(TrailKind.CALL, at=901)]
    assert clock_ahead([sending(at=0, lasts=1000)], theirs) == timedelta(0)


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_order_of_what_happened_is_kept_whatever_the_clocks_say(skew: float) -> None:
    wished = item(TrailKind.COMMAND, at=-1, side="reselling")
    sent = sending(at=0, lasts=1000)
    received = item(TrailKind.RECEIVED, at=skew + 0.5)
    call = item(TrailKind.CALL, at=skew + 2)
    settled = item(TrailKind.COMMAND, at=4, side="reselling")
    assert merge([wished, sent, settled], [received, call]) == [
        wished,
        sent,
        received,
        call,
        settled,
    ]
