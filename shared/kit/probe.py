"""Asks the API in this container whether it is ready: `python -m shared.kit.probe SELLING`.

For health checks: over TLS where the service speaks it, whatever name its certificate bears.
"""

import os
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

ANSWER_SECONDS = 8.0


def is_ready(prefix: str, environment: Mapping[str, str]) -> bool:
    """Whether `/readyz` says so. OSError, HTTPException where it says no, or nothing."""
    scheme, context = "http", None
    if environment.get(f"{prefix}_TLS_CERTIFICATE"):
        scheme, context = "https", ssl.create_default_context()
        # It is our own process on the loopback; its name is that by which others call it.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    url = f"{scheme}://127.0.0.1:{environment[f'{prefix}_PORT']}/readyz"
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS, context=context) as answer:  # noqa: S310 - http(s) only
        return bool(answer.status == 200)  # noqa: PLR2004 - OK


def main(arguments: list[str]) -> None:
    """Exit 0 where it is."""
    if len(arguments) != 1:
        sys.exit("usage: python -m shared.kit.probe SELLING|RESELLING")
    try:
        ready = is_ready(arguments[0], os.environ)
    except (OSError, HTTPException) as error:
        sys.exit(f"not ready: {error}")
    if not ready:
        sys.exit("not ready")


if __name__ == "__main__":
    main(sys.argv[1:])
