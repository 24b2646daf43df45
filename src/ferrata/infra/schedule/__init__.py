"""Work at set times: each time is a slot, and each slot is worked off once, by whichever process claims it first."""

from ferrata.infra.schedule.scheduler import Job, Scheduler
from ferrata.infra.schedule.slots import Daily, Every, Slots

__all__ = ["Daily", "Every", "Job", "Scheduler", "Slots"]
