"""Becomes a module of ours that dies with its parent; knows nothing of what the module does.

Run as a script, by its path: `child.py PARENT_PID MODULE [ARGUMENT...]`. Only the standard library,
so that it starts at once. SIGKILL is what the parent's death sends: whoever takes over must find
the ports free, and the services are made to be killed at any moment.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become `python -m MODULE`; exits with a message when the parent is gone already."""
    parent, module, *rest = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit("prctl(PR_SET_PDEATHSIG) is refused")
    if os.getppid() != int(parent):
        sys.exit("the parent is gone already")
    os.execv(sys.executable, [sys.executable, "-m", module, *rest])  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
