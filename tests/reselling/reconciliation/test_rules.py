"""Ranges, and which side has forgotten."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from reselling_service.reconciliation.actions.drifting import drifted
from reselling_service.reconciliation.rules import differing
from reselling_service.services.rules import Group, Wanted
from shared.contract.inventory import RangeDigest
from shared.contract.services import ServiceStatus
from shared.kit.reconciling import LIST_AT_MOST, bounds
from tests.reselling.sellers.fake import new_status


def of(prefix: str, *, count: int = 1, digest: str = "a") -> RangeDigest:
    return RangeDigest(prefix=prefix, count=count, digest=digest)


def test_range_holds_every_id_that_begins_with_its_prefix() -> None:
    first, last = bounds("ab12")
    assert first == UUID("ab120000-0000-0000-0000-000000000000")
    assert last == UUID("ab12ffff-ffff-ffff-ffff-ffffffffffff")
    assert bounds("") == (UUID(int=0), UUID(int=2**128 - 1))


def test_small_ranges_that_differ_are_listed_and_large_ones_are_cut_again() -> None:
    many = LIST_AT_MOST + 1
    ours = [of("00"), of("01", count=many), of("02"), of("03", digest="b")]
    theirs = [of("00"), of("01", count=many, digest="c"), of("03"), of("04")]
    found = differing(ours, theirs)
    assert (found.listed, found.cut) == (("02", "03", "04"), ("01",))


def test_range_that_can_not_be_cut_any_more_is_listed_whatever_its_size() -> None:
    deepest = of("00112233", count=10 * LIST_AT_MOST)
    assert differing([deepest], []).listed == ("00112233",)


def heard(**changes: object) -> ServiceStatus:
    return ServiceStatus.model_validate(new_status(uuid4(), revision=1, **changes))


def wanted(**changes: object) -> Wanted:
    values: dict[str, object] = {
        "life": "active",
        "power": "running",
        "causes": frozenset(),
        "terminate_when": None,
    }
    return Wanted(**(values | changes))  # type: ignore[arg-type]


SUSPENDED = [{"actor": "client", "reason": "requested", "since": datetime(2030, 1, 1, tzinfo=UTC)}]


def test_suspension_that_only_one_side_has_is_a_wish_that_drifted() -> None:
    ours = wanted(causes=frozenset({"client"}))
    assert drifted(ours, heard(state="active")) == [Group.CLIENT_SUSPENSION]
    theirs = heard(state="suspended", suspensions=SUSPENDED)
    assert drifted(wanted(), theirs) == [Group.CLIENT_SUSPENSION]
    assert drifted(ours, theirs) == []


def test_end_that_only_one_side_has_is_told_before_all_else() -> None:
    ended = wanted(life="terminated", terminate_when="now", causes=frozenset({"client"}))
    assert drifted(ended, heard(state="active")) == [Group.LIFE]
    assert drifted(wanted(), heard(state="terminated")) == [Group.LIFE]
    assert drifted(ended, heard(state="terminated")) == []


def test_end_at_the_end_of_the_term_agrees_with_a_scheduled_one() -> None:
    ours = wanted(life="terminated", terminate_when="period_end")
    scheduled = heard(state="active", terminate_at=datetime(2030, 2, 1, tzinfo=UTC))
    assert drifted(ours, scheduled) == []
