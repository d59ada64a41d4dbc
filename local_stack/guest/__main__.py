"""`python -m local_stack.guest`: builds the test guest where it is missing, prints its files."""

import sys

from local_stack.guest.build import build
from local_stack.guest.packages import PackagesMissing


def main() -> int:
    """Build, print, and return the exit code."""
    try:
        made = build()
    except PackagesMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    print(made.kernel)
    print(made.initrd)
    return 0


if __name__ == "__main__":
    sys.exit(main())
