"""The look that alerts come from, several times a minute in one of the processes; and what is forgotten after its time."""

from datetime import time, timedelta

from ferrata.alerts.service import Alerts
from ferrata.infra.schedule import Daily, Every, Job

LOOK_EVERY = timedelta(seconds=15)


def watch(alerts: Alerts) -> Job:
    return Job("alerts.watch", Every(LOOK_EVERY), alerts.watch, keep=timedelta(hours=1))


def forget(alerts: Alerts) -> Job:
    return Job("alerts.forget", Daily(time(2, 30)), alerts.forget_old)
