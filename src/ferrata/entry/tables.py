"""Every room's tables, gathered in one metadata for migrations."""

import ferrata.access.models
import ferrata.alerts.models
import ferrata.audit.models
import ferrata.carts.models
import ferrata.catalog.models
import ferrata.connections.models
import ferrata.connections.oauth_models
import ferrata.delivery.models
import ferrata.events.models
import ferrata.flags.models
import ferrata.health.models
import ferrata.infra.allowance
import ferrata.infra.incidents
import ferrata.infra.leases
import ferrata.infra.schedule.claims
import ferrata.profiles.models
import ferrata.retention.models
import ferrata.sources.memory_models
import ferrata.sources.models  # noqa: F401 - imported so that the tables join the metadata
from ferrata.infra.columns import metadata

__all__ = ["metadata"]
