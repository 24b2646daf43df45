"""Queues that commercetools puts its messages into, and that we pull from. Each is a file; its library is needed only for it."""

from ferrata.sources.commercetools.queue_settings import PubSub, ServiceBus, Sqs
from ferrata.sources.contract import Queue, Surroundings


def queue_of(settings: Sqs | PubSub | ServiceBus, around: Surroundings) -> Queue:
    """The queue of these settings. Nothing is asked yet.

    Raises:
        Rejected: its library is not installed.
    """
    if isinstance(settings, Sqs):
        from ferrata.sources.commercetools.queues.sqs import SqsQueue

        return SqsQueue(settings, around)
    if isinstance(settings, PubSub):
        from ferrata.sources.commercetools.queues.pubsub import PubSubQueue

        return PubSubQueue(settings, around)
    from ferrata.sources.commercetools.queues.servicebus import ServiceBusQueue

    return ServiceBusQueue(settings, around)
