"""Alembic's entry: every table of the service, and the shared way to run."""

# ruff: noqa: F401 (importing the models is what makes their tables known)

import selling_service.accounts.models
import selling_service.catalog.models
import selling_service.desk.models
import selling_service.events.models
import selling_service.ledger.models
import selling_service.partners.models
import selling_service.provisioning.drivers.foreign.models
import selling_service.provisioning.drivers.simulated.models
import selling_service.reconciliation.models
import selling_service.services.models
import selling_service.staff.models
from selling_service.database import Base
from shared.kit.migrating import run

run(metadata=Base.metadata, prefix="SELLING")
