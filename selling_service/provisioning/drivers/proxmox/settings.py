"""What the provider decides about its Proxmox VE. Knows no VM and reads no environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxmoxSettings:
    """Everything about one Proxmox VE, a node or a cluster of them.

    `token` is `USER@REALM!NAME=SECRET`; `authority` a PEM file of who signs the API's certificate,
    None for the machine's own list. `templates` are the numbers of template VMs, by OS template
    and node. `role` is what a client may do to his VMs that aren't suspended, `locked_role` to
    those that are. `disk` is the template's first disk; on `storage` clones are made, None for
    the template's own. Seconds: `answer_timeout` for one request, `task_timeout` for a task,
    `stop_grace` for a guest to power off by itself.
    """

    url: str
    token: str = field(repr=False)
    authority: Path | None = None
    templates: Mapping[str, Mapping[str, int]]
    realm: str = "pve"
    role: str = "TandemClient"
    locked_role: str = "PVEAuditor"
    bridge: str = "vmbr0"
    disk: str = "scsi0"
    storage: str | None = None
    answer_timeout: float = 30.0
    task_timeout: float = 600.0
    stop_grace: int = 20
