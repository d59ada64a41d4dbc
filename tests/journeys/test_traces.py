"""One trace leads from a client's click to the platform's call, and by the event back home."""

import secrets
import signal
from collections.abc import Iterator

import pytest

from tests.journeys.collector import Collector, Seen, collecting
from tests.journeys.conftest import MakeStack
from tests.journeys.stack import Stack

pytestmark = pytest.mark.slow

HOST = "anna-hidden-host.example.com"
WAY_HOME = [
    ("tandem-reselling-worker", "apply service.activated"),
    ("tandem-selling-worker", "event service.activated"),
]
WAY_OF_A_HINT = [
    ("tandem-selling-worker", "POST webhook"),
    ("tandem-selling-worker", "job webhook"),
    ("tandem-selling-worker", "event service.activated"),
]
WAY = [
    ("tandem-selling-worker", "platform create_vm"),
    ("tandem-selling-worker", "job operation"),
    ("tandem-selling", "POST /partner/v1/services"),
    ("tandem-reselling-worker", "POST seller"),
    ("tandem-reselling-worker", "job forward"),
    ("tandem-reselling", "command order"),
    ("tandem-reselling", "POST /client/v1/orders"),
]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def stack(make_stack: MakeStack, collector: Collector) -> Iterator[Stack]:
    """A pair that sends its spans."""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "SELLING_WEBHOOK_PRIVATE_ADDRESSES": "true",
    }
    with make_stack(environment=variables) as running:
        yield running


def way_up(spans: list[Seen], span: Seen) -> list[Seen]:
    """A span, its parent, and so on, as far as they are known."""
    by_id = {span.span_id: span for span in spans}
    way = [span]
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        way.append(span)
    return way


def test_a_click_is_followed_to_the_platform_and_back_and_no_secret_is_told(
    stack: Stack, collector: Collector
) -> None:
    shop = stack.open_shop()
    stack.staff.put(f"/staff/v1/sellers/{shop.seller['id']}/webhook", {})
    stack.wait_until_followed(shop.seller["id"])
    anna = stack.new_client(name="Annabella Hidden")
    trace_id, click = secrets.token_hex(16), secrets.token_hex(8)
    anna.http.headers["traceparent"] = f"00-{trace_id}-{click}-01"
    service = stack.order_active(anna, shop, hostname=HOST)
    refs = stack.staff.service(service["id"])
    wanted = {name for _, name in (*WAY, *WAY_HOME, *WAY_OF_A_HINT)}

    def arrived() -> list[Seen] | None:
        found = collector.of(trace_id)
        names = {span.name for span in found}
        return found if wanted <= names else None

    spans = stack.wait_until(arrived, what=f"{wanted}", seconds=30)
    for expected in (WAY, WAY_HOME + WAY[1:], WAY_OF_A_HINT + WAY[1:]):
        ways = [way_up(spans, span) for span in spans if span.name == expected[0][1]]
        told = [[(span.service, span.name) for span in way] for way in ways]
        if expected[0] == WAY_OF_A_HINT[0]:
            # There is a hint for each of the order's events, or the first one's tells of all.
            assert expected in told or [way[len(WAY_OF_A_HINT) :] for way in told] == [WAY[2:]]
        else:
            assert told == [expected]
        for way in ways:
            assert way[-1].parent_id == click
            assert "201" in way[-1].attributes["http.response.status_code"]

    # What ends a process also sends its last spans; all of them are looked through.
    stack.stop(*list(stack.processes))
    for secret in (
        anna.email,
        anna.password,
        anna.name,
        anna.id,
        HOST,
        shop.goods.key,
        refs["service_ref"],
        refs["client_ref"],
        str(stack.admin.http.headers["Authorization"]).removeprefix("Bearer "),
    ):
        assert secret.encode() not in collector.raw, secret


def test_a_collector_that_is_away_keeps_no_process_from_ending(
    stack: Stack, collector: Collector
) -> None:
    stack.environment = {**stack.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    stack.stop(*list(stack.processes))
    stack.start("reselling-api", "reselling-worker")
    stack.wait_until(lambda: stack._is_ready("reselling"), what="the reseller")
    ended = [stack.processes[name] for name in ("reselling-api", "reselling-worker")]
    stack.stop(*list(stack.processes))  # it would complain after 20 s
    # uvicorn ends with the signal that told it to.
    assert [process.returncode for process in ended] == [-signal.SIGTERM, 0]
