"""The daily cleanup."""

from datetime import time

from ferrata.infra.schedule import Daily, Job
from ferrata.retention.schemas import Trigger
from ferrata.retention.service import Retention

NAME = "retention.cleanup"
AT = time(2)


def daily_cleanup(retention: Retention) -> Job:
    """Every day at 02:00 UTC, once among all processes."""
    return Job(NAME, Daily(AT), lambda: retention.clean_up(trigger=Trigger.SCHEDULE))
