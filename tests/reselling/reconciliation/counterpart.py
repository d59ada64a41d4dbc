"""A seller that can be compared with: digests, ranges and charges, by the contract alone."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.reselling.sellers.fake import NOON, Answer, FakeSeller, answer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Line = dict[str, Any]


@dataclass
class Counterpart(FakeSeller):
    """A small seller whose services and charges a reseller can compare with its own."""

    charges: list[Line] = field(default_factory=list)

    def charge(
        self,
        service_ref: UUID,
        *,
        command_id: UUID | None = None,
        kind: str = "renewal",
        amount: int = 700,
    ) -> Line:
        """Charge the reseller for a service."""
        line: Line = {
            "operation_id": str(uuid4()),
            "command_id": str(command_id) if command_id else None,
            "service_ref": str(service_ref),
            "kind": kind,
            "amount": {"amount": amount, "currency": "EUR"},
            "at": NOON.isoformat(),
        }
        self.charges.append(line)
        return line

    def knows(self, command_id: UUID, *, kind: str, service_ref: UUID) -> None:
        """Let it remember a command."""
        self.operations[str(command_id)] = self.operation(str(command_id), kind, str(service_ref))

    def _read(self, path: str, query: dict[str, str]) -> Answer:
        prefix = query.get("prefix", "")
        if path == "/inventory/digests":
            return answer(200, self._digests(prefix))
        if path == "/inventory/charges":
            items = [line for line in self.charges if _is_in(line, prefix)]
            return answer(200, {"items": items, "next": None})
        if path == "/inventory" and prefix:
            items = [_item(each) for each in self.services.values() if _is_in(each, prefix)]
            return answer(200, {"items": items, "next": None, "head": None})
        return super()._read(path, query)

    def _digests(self, prefix: str) -> dict[str, Any]:
        services = [each for each in self.services.values() if _is_in(each, prefix)]
        charges = [line for line in self.charges if _is_in(line, prefix)]
        width = len(prefix) + 2
        return {
            "prefix": prefix,
            "services": _ranges(((each, _service_line(each)) for each in services), width),
            "charges": _ranges(((line, _charge_line(line)) for line in charges), width),
        }


def _is_in(thing: Line, prefix: str) -> bool:
    return UUID(thing["service_ref"]).hex.startswith(prefix)


def _actors(service: Line) -> list[str]:
    return sorted(each["actor"] for each in service["suspensions"])


def _item(service: Line) -> Line:
    names = ("service_ref", "client_ref", "installation_id", "revision", "state", "power")
    more = {"paid_until": service["paid_until"], "suspended_by": _actors(service)}
    return {name: service[name] for name in names} | more


def _service_line(service: Line) -> str:
    paid_until = ""
    if service["paid_until"]:
        since = datetime.fromisoformat(service["paid_until"]) - _EPOCH
        paid_until = str(since // timedelta(microseconds=1))
    names = ("service_ref", "client_ref", "revision", "state", "power")
    fields = (*(str(service[name]) for name in names), paid_until, ",".join(_actors(service)))
    return "|".join(fields)


def _charge_line(line: Line) -> str:
    money = line["amount"]
    fields = (line["service_ref"], line["operation_id"], money["amount"], money["currency"])
    return "|".join(map(str, fields))


def _ranges(lines: Iterable[tuple[Line, str]], width: int) -> list[dict[str, Any]]:
    """As the contract says: the sum, modulo 2^60, of the first 60 bits of each line's MD5."""
    found: dict[str, list[int]] = defaultdict(list)
    for thing, line in lines:
        bits = hashlib.md5(line.encode(), usedforsecurity=False).hexdigest()[:15]
        found[thing["service_ref"][:width]].append(int(bits, 16))
    return [
        {"prefix": prefix, "count": len(sums), "digest": f"{sum(sums) % 2**60:x}"}
        for prefix, sums in sorted(found.items())
    ]
