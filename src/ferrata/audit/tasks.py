"""The daily deletion of what is older than the audit is kept for."""

from datetime import time

from ferrata.audit.service import Audit
from ferrata.infra.schedule import Daily, Job


def daily_forgetting(audit: Audit) -> Job:
    """Every day at 02:30 UTC, once among all processes."""
    return Job("audit.forgetting", Daily(time(2, 30)), audit.forgetting.run)
