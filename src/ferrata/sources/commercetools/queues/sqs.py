"""Amazon SQS, by Amazon's own library. It blocks, so each call runs in a thread."""

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

from ferrata.infra.errors import Rejected
from ferrata.sources.commercetools.errors import AccessRefused, Unavailable
from ferrata.sources.commercetools.queue_settings import Sqs
from ferrata.sources.commercetools.queues.sqs_wire import SqsWire
from ferrata.sources.contract import Pulled, Received, Surroundings

AT_ONCE: Final = 10
"""How many messages SQS deletes in one call."""
_REFUSALS: Final = ("AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch", "NonExistentQueue", "UnrecognizedClient")


class SqsQueue:
    def __init__(self, settings: Sqs, around: Surroundings) -> None:
        if find_spec("boto3") is None:
            raise Rejected("Amazon SQS needs boto3: install ferrata[sqs].")
        self._settings, self._around, self._clock = settings, around, around.clock
        self._client: Any = None
        self._wire: SqsWire | None = None

    async def pull(self) -> Sequence[Pulled]:
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=self._settings.max_messages,
            WaitTimeSeconds=self._settings.wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        at = self._clock.now()
        return [
            Pulled(Received(body=each["Body"].encode(), at=at, trusted=True), each["ReceiptHandle"])
            for each in answer.get("Messages", ())
        ]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Delete these. One that is not deleted comes again, and is known then."""
        for start in range(0, len(receipts), AT_ONCE):
            entries = [{"Id": str(place), "ReceiptHandle": each} for place, each in enumerate(receipts[start : start + AT_ONCE])]
            await self._call("delete_message_batch", Entries=entries)

    async def close(self) -> None:
        if self._client is not None:
            await asyncio.to_thread(self._client.close)
        if self._wire is not None:
            await self._wire.close()

    async def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        if self._wire is None:
            self._wire = SqsWire(self._around, asyncio.get_running_loop(), self._settings.wait_seconds + 10)
        try:
            return await asyncio.to_thread(self._blocking, self._wire, operation, arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if any(refusal in code for refusal in _REFUSALS):
                raise AccessRefused(f"Amazon SQS refuses: {code}.") from error
            raise Unavailable(f"Amazon SQS answered {code}.") from error
        except BotoCoreError as error:
            raise Unavailable(f"Amazon SQS does not answer: {type(error).__name__}.") from error

    def _blocking(self, wire: SqsWire, operation: str, arguments: dict[str, Any]) -> Any:
        if self._client is None:
            self._client = self._connected()
            self._client.meta.events.register("before-send.sqs", wire.send)
        return getattr(self._client, operation)(QueueUrl=self._settings.queue_url, **arguments)

    def _connected(self) -> Any:
        import boto3
        from botocore.config import Config

        settings, key = self._settings, {}
        if settings.access_key_id and settings.secret_access_key:
            secret = settings.secret_access_key.get_secret_value()
            key = {"aws_access_key_id": settings.access_key_id, "aws_secret_access_key": secret}
        patience = Config(retries={"total_max_attempts": 2})
        return boto3.client(
            "sqs",
            region_name=settings.region or None,
            endpoint_url=settings.endpoint_url or None,
            config=patience,
            **key,
        )
