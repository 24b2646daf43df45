"""Which queue commercetools' messages are pulled from, and with whose credentials."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from ferrata.sources.commercetools.spelling import Part

CONNECTION_PARTS = ("Endpoint", "SharedAccessKeyName", "SharedAccessKey")
Many = Annotated[int, Field(ge=1, le=10, description="How many messages to take at once.")]
Wait = Annotated[int, Field(ge=0, le=20, description="How many seconds to wait for a message before asking again.")]


def parts_of(connection_string: str) -> dict[str, str]:
    """``Endpoint=...;SharedAccessKeyName=...`` by name."""
    pairs = (part.partition("=") for part in connection_string.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def _whole(connection_string: SecretStr) -> SecretStr:
    missing = [name for name in CONNECTION_PARTS if name not in parts_of(connection_string.get_secret_value())]
    if missing:
        raise ValueError(f"a connection string of Azure Service Bus has {', '.join(missing)}")
    return connection_string


class Sqs(Part):
    """Amazon SQS. Without keys of its own, boto3 finds credentials as always: environment, profile, role."""

    type: Literal["SQS"] = "SQS"
    queue_url: str = Field(min_length=1, description="Address of the queue.")
    region: str = Field(default="", description="Its region, such as eu-central-1; empty: as boto3 finds it.")
    endpoint_url: str = Field(default="", description="Another endpoint, for instance one inside your network.")
    access_key_id: str = Field(default="", description="Access key of a user who may receive and delete messages.")
    secret_access_key: SecretStr | None = Field(default=None, description="Its secret.")
    max_messages: Many = 10
    wait_seconds: Wait = 10


class PubSub(Part):
    """Google Cloud Pub/Sub, pulled over its REST API with a service account's key."""

    type: Literal["GoogleCloudPubSub"] = "GoogleCloudPubSub"
    subscription: str = Field(
        pattern=r"^projects/[^/]+/subscriptions/[^/]+$", description="projects/<project>/subscriptions/<subscription>."
    )
    service_account_key: SecretStr | None = Field(default=None, description="Its JSON key; none for an emulator.")
    endpoint_url: str = Field(default="https://pubsub.googleapis.com", description="Address of the API.")
    max_messages: Annotated[int, Field(ge=1, le=1000, description="How many messages to take at once.")] = 100


class ServiceBus(Part):
    """Azure Service Bus, a queue or a topic's subscription, by peek-lock over its REST API."""

    type: Literal["AzureServiceBus"] = "AzureServiceBus"
    connection_string: Annotated[SecretStr, AfterValidator(_whole)] = Field(
        description="Connection string with the right Listen."
    )
    path: str = Field(min_length=1, description="Name of the queue, or <topic>/subscriptions/<subscription>.")
    endpoint_url: str = Field(default="", description="Another address than the connection string's.")
    wait_seconds: Wait = 10


QueueSettings = Annotated[Sqs | PubSub | ServiceBus, Field(discriminator="type")]
