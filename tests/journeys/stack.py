"""The whole pair as real processes on databases of its own, for tests that kill, delay and lose.

It knows how to start, end and speak with the two services, and nothing of what they should do.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from local_stack.demo.callers import JSON, Client, Provider, Reseller, wait_for
from local_stack.demo.cast import IMAGES, LONGEST, RAM_MIB
from local_stack.first_owners import make_first_owner
from local_stack.home import PROGRAMS, guest_variables
from local_stack.machines import end_machines
from local_stack.processes import tail
from shared.kit.vault import Vault
from tests.journeys import nursery
from tests.ports import free_port

Found = TypeVar("Found")
Process = nursery.Started | subprocess.Popen[bytes]
READY_SECONDS = 40.0
OS = "debian-12"
PRICES = {"hour": 2, "month": 500, "year": 5_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What is for sale: a tariff at the provider, the partner that may resell it, his key."""

    data_center: JSON
    tariff: JSON
    partner: JSON
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What is for sale at the reseller: a connected seller and its tariff with prices."""

    goods: Goods
    seller: JSON
    tariff: JSON


@dataclass
class Stack:
    """Both services, their workers, and people logged in at each.

    `environment` is added to every process's variables. `reseller_calls` is where the reseller
    finds the seller: a proxy's address, say; None for the seller's own. `platform="qemu"` needs the
    test guest. Processes: selling-api, selling-worker, reselling-api, reselling-worker; those of
    `services` only. With `services=("reselling",)` it is another reseller of the seller at
    `reseller_calls`, and has no `admin`.
    """

    selling_database: str
    reselling_database: str
    folder: Path
    platform: str = "simulated"
    sandbox: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    reseller_calls: str | None = None
    services: Sequence[str] = ("selling", "reselling")

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in self.services}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        self.logins = {
            name: (f"owner@{name}.example.com", secrets.token_urlsafe(12)) for name in self.ports
        }
        self.processes: dict[str, Process] = {}
        self.admin = Provider(self.urls.get("selling", ""))
        self.staff = Reseller(self.urls["reselling"])
        self._callers: list[Client] = []

    def __enter__(self) -> Self:
        try:
            for service in self.ports:
                make_first_owner(
                    service, self.variables(), login=partial(self.logins.__getitem__, service)
                )
            self.start(*self.programs())
            self.wait_until_ready()
            if "selling" in self.services:
                self.admin.log_in(*self.logins["selling"])
            self.staff.log_in(*self.logins["reselling"])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything, machines too."""
        for caller in (self.admin, self.staff, *self._callers):
            caller.http.close()
        for name in list(self.processes):
            self.kill(name)
        end_machines(self.variables())

    def seconds_ahead(self, service: str) -> float:  # noqa: ARG002
        """How far the clock of a service's processes is ahead of its database's."""
        return 0.0

    def variables(self) -> dict[str, str]:
        """Return what every process of this pair sees."""
        if not hasattr(self, "_keys"):
            self._keys = {name: Vault.new_key() for name in self.ports}
        found = dict(os.environ)
        databases = {"selling": self.selling_database, "reselling": self.reselling_database}
        for name, port in self.ports.items():
            prefix = name.upper()
            found[f"{prefix}_DATABASE_URL"] = databases[name]
            found[f"{prefix}_SECRET_KEYS"] = self._keys[name]
            found[f"{prefix}_HOST"] = "127.0.0.1"
            found[f"{prefix}_PORT"] = str(port)
            found[f"{prefix}_PUBLIC_URL"] = self.urls[name]
            found[f"{prefix}_SANDBOX"] = str(self.sandbox).lower()
            found[f"{prefix}_POOL_SIZE"] = "8"
            # The tests' databases are opened as a superuser; tests/isolation does it properly.
            found[f"{prefix}_ALLOW_POWERFUL_LOGIN"] = "true"
            # Everybody here comes from one address.
            found[f"{prefix}_LOGIN_ATTEMPTS_PER_ADDRESS"] = "100000"
        found["RESELLING_SIGN_UPS_PER_ADDRESS"] = "100000"
        found["RESELLING_TAKEN_SIGN_UPS_PER_ADDRESS"] = "100000"
        # Sellers stand on this machine.
        found["RESELLING_SELLER_PRIVATE_ADDRESSES"] = "true"
        found["SELLING_PLATFORM"] = self.platform
        found["SELLING_QEMU_DIRECTORY"] = str(self.folder / "qemu")
        found["SELLING_QEMU_STOP_GRACE_SECONDS"] = "1"
        return {**found, **guest_variables(found), **self.environment}

    # ------------------------------------------------------------------------------- processes

    def programs(self) -> list[str]:
        """Return the names of all processes."""
        return [name for name in PROGRAMS if name.startswith(tuple(self.services))]

    def command(self, name: str) -> tuple[str, ...]:
        """Return what a process runs: a module and its arguments."""
        return (PROGRAMS[name],)

    def environment_of(self, _name: str) -> dict[str, str]:
        """Return what this process sees."""
        return self.variables()

    def log(self, name: str) -> Path:
        """Return where a process writes."""
        return self.folder / f"{name}.log"

    def start(self, *names: str) -> None:
        """Start processes that aren't running."""
        for name in names:
            self.processes[name] = nursery.start(
                *self.command(name), environment=self.environment_of(name), log=self.log(name)
            )

    def kill(self, *names: str) -> None:
        """SIGKILL, as a power cut does it."""
        for name in names:
            process = self.processes.pop(name)
            process.kill()
            process.wait(10)

    def stop(self, *names: str) -> None:
        """SIGTERM, and wait for the orderly end."""
        for name in names:
            process = self.processes.pop(name)
            process.terminate()
            process.wait(20)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it lives and does nothing."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen process go on."""
        self.processes[name].send_signal(signal.SIGCONT)

    def restart(self, *names: str) -> None:
        """SIGKILL and start again; returns when both services are ready."""
        self.kill(*names)
        self.start(*names)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when both `/readyz` say so; AssertionError with the logs when they don't."""
        for service in self.ports:
            self.wait_until(partial(self._is_ready, service), seconds=READY_SECONDS)

    def _is_ready(self, service: str) -> bool:
        dead = [name for name, process in self.processes.items() if process.poll() is not None]
        assert not dead, f"{dead} ended:\n" + "\n".join(tail(self.log(name)) for name in dead)
        try:
            answer = httpx.get(f"{self.urls[service]}/readyz", timeout=3.0, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    def wait_until(
        self, look: Callable[[], Found | None], *, seconds: float = 60.0, what: str = ""
    ) -> Found:
        """Look until there is something; Surprise after `seconds`."""
        return wait_for(what or repr(look), look, seconds=seconds)[0]

    # ---------------------------------------------------------------------------------- people

    def provision_catalogue(
        self,
        *,
        prices: Mapping[str, int] = PRICES,
        setup_fee: int = 100,
        stock: int | None = None,
        discount_percent: str = "20",
        paid_in: int = 100_000,
        **size: int,
    ) -> Goods:
        """Let the provider offer one tariff to a new partner; prices in cents."""
        tag = secrets.token_hex(3)
        place = self.admin.make_data_center(f"place-{tag}", platform=self.platform)
        if OS not in [row["code"] for row in self.admin.every_os_template()]:
            self.admin.make_os_template(OS, title="Debian 12", image=IMAGES[self.platform])
        tariff = self.admin.make_tariff(
            f"vm-{tag}",
            title=f"VM {tag}",
            data_center=place["code"],
            os_templates=[OS],
            prices=prices,
            setup_fee=setup_fee,
            stock=stock,
            **{"ram_mib": RAM_MIB[self.platform], **size},
        )
        partner, key = self.admin.make_partner(f"Partner {tag}")
        self.admin.offer(partner["id"], tariff["id"], discount_percent=discount_percent)
        if paid_in:
            self.admin.top_up(partner["id"], paid_in)
        return Goods(data_center=place, tariff=tariff, partner=partner, key=key)

    def connect(
        self, goods: Goods, *, markup_percent: str = "50", through: str | None = None
    ) -> Shop:
        """Let the reseller connect with the partner's key and sell the tariff with a markup.

        `through` is an address for this seller alone, a proxy's, say.
        """
        url = through or self.reseller_calls or self.urls["selling"]
        seller = self.staff.connect(f"Seller {secrets.token_hex(3)}", url=url, key=goods.key)
        (tariff,) = self.staff.import_tariffs(seller["id"], markup_percent=markup_percent)
        return Shop(goods=goods, seller=seller, tariff=tariff)

    def open_shop(
        self, *, markup_percent: str = "50", through: str | None = None, **catalogue: Any
    ) -> Shop:
        """Provide a catalogue and connect."""
        goods = self.provision_catalogue(**catalogue)
        return self.connect(goods, markup_percent=markup_percent, through=through)

    def new_client(self, *, name: str = "Anna", paid_in: int = 100_000) -> Client:
        """Sign a client up and top up the balance, in cents."""
        email = f"{name.split(maxsplit=1)[0].lower()}.{secrets.token_hex(4)}@example.com"
        client = Client(self.urls["reselling"], name=name, email=email)
        self._callers.append(client)
        client.sign_up()
        if paid_in:
            self.staff.top_up(client.id, paid_in)
        return client

    def order(
        self,
        client: Client,
        shop: Shop,
        *,
        hostname: str = "web-1.example.com",
        **options: Any,
    ) -> str:
        """Order one VM; the id of the service."""
        tariff_id = shop.tariff["id"]
        order = client.order(tariff_id, hostname=hostname, os=OS, **options)
        service_id: str = order["service_id"]
        return service_id

    def order_active(self, client: Client, shop: Shop, **options: Any) -> JSON:
        """Order one VM and wait until it is active; the service as its client sees it."""
        service_id = self.order(client, shop, **options)
        return client.wait_until(service_id, state="active", seconds=LONGEST[self.platform])[0]

    def upstream(self, shop: Shop, service_id: str) -> JSON:
        """Return a service as the provider's staff see it."""
        ref = self.staff.service(service_id)["service_ref"]
        return self.admin.service(ref, shop.goods.partner["id"])

    def wait_until_followed(self, seller_id: str) -> None:
        """Wait until the seller's events are read as they happen.

        What a seller did before that is heard as it stands, and no event of it is applied.
        """
        path = f"/staff/v1/sellers/{seller_id}/sync"
        self.wait_until(
            lambda: self.staff.get(path)["mode"] == "stream", what="a reader of the feed"
        )

    def move_clocks(self, seconds: int) -> None:
        """Move both sandboxes on."""
        self.admin.move_clock(seconds)
        self.staff.move_clock(seconds)
