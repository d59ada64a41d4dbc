"""Proxmox VE as a platform, by its API; VMs are clones of templates."""

from selling_service.provisioning.drivers.proxmox.api import ProxmoxAPI
from selling_service.provisioning.drivers.proxmox.hands import ProxmoxHands
from selling_service.provisioning.drivers.proxmox.settings import ProxmoxSettings

__all__ = ["ProxmoxAPI", "ProxmoxHands", "ProxmoxSettings"]
