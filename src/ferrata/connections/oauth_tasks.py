"""What keeps OAuth installations alive while nothing is sent, and withdraws those that nobody uses."""

from datetime import timedelta

from ferrata.connections.oauth_installations import Installations
from ferrata.infra.schedule import Every, Job


def use_installations(installations: Installations) -> Job:
    async def work() -> None:
        await installations.use_all()
        await installations.revoke_due()

    return Job("connections.use_oauth", Every(timedelta(hours=1)), work, keep=timedelta(days=7))
