"""One Klaviyo client for each credential, all on one pool of connections."""

from collections import OrderedDict
from datetime import timedelta

from httpx2 import AsyncBaseTransport

from ferrata.connections.schemas import Credential
from ferrata.infra.settings import Environment, Settings
from ferrata.klaviyo import Auth, Klaviyo, Timeouts
from ferrata.klaviyo.wire import open_transport

_MOST_KEPT = 1_000
_POOL = 100


class Clients:
    """``transport`` replaces the network in tests."""

    def __init__(self, settings: Settings, transport: AsyncBaseTransport | None = None) -> None:
        self._base_url = str(settings.klaviyo_base_url)
        self.longest_request = timedelta(seconds=settings.klaviyo_timeout_seconds)
        self._timeouts = Timeouts(total=settings.klaviyo_timeout_seconds)
        # Plain http beyond this machine would show the key to the network; a sandbox in a container is reached that way.
        self._allow_http = settings.environment is not Environment.PRODUCTION
        ca_file = str(settings.klaviyo_ca_file) if settings.klaviyo_ca_file else None
        self.transport = transport or open_transport(ca_file, None, _POOL)
        self._clients: OrderedDict[str, Klaviyo] = OrderedDict()

    def client(self, credential: Credential) -> Klaviyo:
        """The same client each time for the same credential."""
        client = self._clients.get(credential.version)
        if client is None:
            client = self._clients[credential.version] = self.single(credential.auth)
            while len(self._clients) > _MOST_KEPT:  # a client holds nothing but its credential: the pool is shared
                self._clients.popitem(last=False)
        return client

    def forget(self, version: str) -> None:
        """Requests that are under way with it end as they would."""
        self._clients.pop(version, None)

    def single(self, auth: Auth) -> Klaviyo:
        """A client that is not kept."""
        return Klaviyo(auth, self._base_url, transport=self.transport, timeouts=self._timeouts, allow_http=self._allow_http)

    async def close(self) -> None:
        await self.transport.aclose()
