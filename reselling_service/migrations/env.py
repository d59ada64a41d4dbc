"""Alembic's entry: every table of the service, and the shared way to run."""

# ruff: noqa: F401 (importing the models is what makes their tables known)

import reselling_service.clients.models
import reselling_service.commands.models
import reselling_service.desk.models
import reselling_service.ledger.models
import reselling_service.orders.models
import reselling_service.reconciliation.models
import reselling_service.sellers.models
import reselling_service.services.models
import reselling_service.staff.models
import reselling_service.tariffs.models
from reselling_service.database import Base
from shared.kit.migrating import run

run(metadata=Base.metadata, prefix="RESELLING")
