"""The NoCloud seed: what a guest learns about itself at its start. Knows no process.

The files lie apart from the VM's disk, in a folder of the driver, because they hold the password
hash; QEMU is given the ISO as an open file.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from selling_service.provisioning.drivers.qemu.files import write_whole
from selling_service.provisioning.drivers.qemu.tools import run
from selling_service.provisioning.platform import GuestContent

_ISO = "seed.iso"
_FRESH_ISO = "seed.iso.new"
_FILES = "files"
_META = "meta-data"
_NO_USER_DATA = "#cloud-config\n{}\n"


def iso_path(folder: Path) -> Path:
    """Return the path of the ISO in the seed's folder."""
    return folder / _ISO


async def write_seed(folder: Path, *, vm_id: UUID, content: GuestContent) -> None:
    """Write the seed's files and their ISO, over what an earlier attempt may have left."""
    meta = {
        "instance-id": str(vm_id),
        "local-hostname": content.hostname,
        "public-keys": list(content.ssh_keys),
    }
    files = folder / _FILES
    await asyncio.to_thread(files.mkdir, mode=0o700, parents=True, exist_ok=True)
    for name, text in (
        (_META, _yaml(meta)),
        ("vendor-data", f"#cloud-config\n{_yaml(_settings(content))}"),
        ("user-data", content.user_data or _NO_USER_DATA),
    ):
        await asyncio.to_thread(write_whole, files / name, text)
    await _write_iso(folder)


async def rename_seed(folder: Path, *, hostname: str) -> None:
    """Put another host name into the seed, all else stays."""
    path = folder / _FILES / _META
    meta = yaml.safe_load(await asyncio.to_thread(path.read_text, encoding="utf-8"))
    meta["local-hostname"] = hostname
    await asyncio.to_thread(write_whole, path, _yaml(meta))
    await _write_iso(folder)


def _settings(content: GuestContent) -> dict[str, Any]:
    """Return the cloud-config that lets the client in as root, by key or by password."""
    settings: dict[str, Any] = {"disable_root": False}
    if content.password_hash is not None:
        root = {"name": "root", "password": content.password_hash, "type": "hash"}
        settings["chpasswd"] = {"expire": False, "users": [root]}
        settings["ssh_pwauth"] = True
    return settings


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, width=1 << 20)
    return text


async def _write_iso(folder: Path) -> None:
    """Replace the ISO whole: a running QEMU goes on reading the one that it opened."""
    options = ("-quiet", "-volid", "cidata", "-joliet", "-rock")
    await run("genisoimage", *options, "-output", _FRESH_ISO, _FILES, cwd=folder)
    fresh = folder / _FRESH_ISO
    # Readable for the QEMU of the platform user, who gets it opened and can't reach the folder.
    await asyncio.to_thread(fresh.chmod, 0o644)
    await asyncio.to_thread(fresh.replace, iso_path(folder))
