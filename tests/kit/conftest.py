"""Makes log lines short: tracebacks with every local variable take seconds to draw."""

import pytest

from shared.kit.telemetry import configure_logging


@pytest.fixture(autouse=True, scope="session")
def short_log_lines() -> None:
    configure_logging(service="tests", level="WARNING")
