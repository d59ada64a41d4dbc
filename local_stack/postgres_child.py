"""Becomes a PostgreSQL program that dies with its parent; knows nothing of folders or settings.

Run as a script, by its path: `postgres_child.py PARENT_PID IDENTITY PROGRAM [ARGUMENT...]`, where
IDENTITY is `self`, `namespace:UID:GID` or `user:UID:GID`. PostgreSQL refuses to run as root: a user
namespace shows it another uid while its files stay root's; where the kernel allows none, root
becomes that user for good. Only the standard library, so that it starts in 20 ms.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def enter_user_namespace(uid: int, gid: int) -> None:
    """Show this process's own uid and gid as `uid` and `gid`; OSError where that is forbidden."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    if _libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside_gid} 1")


def become(identity: str) -> None:
    """Take the identity, see the module; ValueError for an unknown one."""
    kind, *ids = identity.split(":")
    if kind == "self":
        return
    uid, gid = (int(number) for number in ids)
    if kind == "namespace":
        enter_user_namespace(uid, gid)
    elif kind == "user":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    else:
        raise ValueError(identity)


def die_with(parent: int) -> None:
    """Ask for SIGINT (PostgreSQL's fast shutdown) at the end of the parent's spawning thread.

    Comes after every change of identity, which would clear it.
    """
    if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent is gone already")


def main(arguments: list[str]) -> None:
    """Become PROGRAM; exits with a message when the identity can't be taken."""
    parent, identity, *command = arguments
    try:
        become(identity)
        die_with(int(parent))
        os.execv(command[0], command)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        sys.exit(f"{identity}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
