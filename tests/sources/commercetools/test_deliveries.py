"""Deliveries: whatever commercetools' messages are sent in is opened, and none is believed without proof."""

import base64
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey

from ferrata.sources.commercetools.source import Commercetools
from ferrata.sources.contract import Received, Surroundings, Unreadable, Unverified
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import NOW, HastyClock, settings

MESSAGE = shop.message("OrderCreated", "order", "order-1", order=shop.order())
TEXT = json.dumps(MESSAGE)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:orders"
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "type": "com.commercetools.order.message.OrderCreated",
    "source": "/shop/orders",
    "data": MESSAGE,
}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENVELOPES: dict[str, Any] = {
    "plain HTTP": MESSAGE,
    "Pub/Sub push": {"message": {"data": _base64(TEXT), "messageId": "1"}, "subscription": "projects/p/subscriptions/s"},
    "Pub/Sub pull": {"receivedMessages": [{"ackId": "a", "message": {"data": _base64(TEXT), "messageId": "1"}}]},
    "SQS as it is received": {"MessageId": "1", "ReceiptHandle": "r", "Body": TEXT},
    "SQS by EventBridge Pipes": [{"messageId": "1", "body": TEXT, "eventSource": "aws:sqs"}],
    "an API gateway": {"httpMethod": "POST", "body": _base64(TEXT), "isBase64Encoded": True},
    "a text within JSON": TEXT,
    "Pub/Sub by Eventarc": {"specversion": "1.0", "id": "1", "data": {"message": {"data": _base64(TEXT)}, "subscription": "s"}},
    "SNS": {"Type": "Notification", "TopicArn": TOPIC, "Message": TEXT},
    "SNS within SQS within Lambda": {"Records": [{"body": json.dumps({"Type": "Notification", "Message": TEXT})}]},
    "Lambda of SQS": {"Records": [{"messageId": "1", "body": TEXT}]},
    "Lambda of SNS": {"Records": [{"Sns": {"Message": TEXT}}]},
    "EventBridge": {"version": "0", "id": "1", "source": "aws.partner/commercetools.com/shop/key", "detail": MESSAGE},
    "CloudEvents": CLOUD_EVENT,
    "CloudEvents in a batch": [CLOUD_EVENT],
    "CloudEvents with binary data": {"specversion": "1.0", "data_base64": _base64(TEXT)},
    "Event Grid": [{"id": "1", "eventType": "OrderCreated", "subject": "order-1", "data": MESSAGE, "dataVersion": "1"}],
    "CloudEvents within Pub/Sub": {"message": {"data": _base64(json.dumps(CLOUD_EVENT))}},
}


def received(body: Any, **fields: Any) -> Received:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Received(body=text, at=NOW, **fields)


class Network:
    """Answers of hosts that proofs ask; everything asked is remembered."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers, self.asked = answers, list[str]()

    def around(self) -> Surroundings:
        def answer(request: httpx2.Request) -> httpx2.Response:
            self.asked.append(str(request.url))
            found = self.answers.get(str(request.url))
            return httpx2.Response(404) if found is None else httpx2.Response(200, content=found)

        return Surroundings(store_id="default", clock=HastyClock(), transport=httpx2.MockTransport(answer))


class TestAnEnvelope:
    @pytest.mark.parametrize("name", ENVELOPES)
    async def test_of_any_kind_holds_the_same_message(self, name: str) -> None:
        (raw,) = Commercetools().open(received(ENVELOPES[name]), settings())
        assert json.loads(raw.body) == MESSAGE
        assert (raw.message_id, raw.business_key) == ("message-OrderCreated-3:order-1", "order:order-1")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{oops",
            b"[]",
            b"null",
            b"{}",
            b'{"invalidData":"123"}',
            b'{"message":{"data":"%%%"}}',
            b'{"Records":[{}]}',
            b"\xff",
        ],
    )
    async def test_of_nothing_is_said_to_be_unreadable(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            Commercetools().open(received(body), settings())

    async def test_with_one_bad_message_among_good_ones_keeps_all(self) -> None:
        records = {"Records": [{"body": TEXT}, {"body": "{oops"}]}
        good, bad = Commercetools().open(received(records), settings())
        assert json.loads(good.body) == MESSAGE
        assert json.loads(bad.body) == records

    async def test_nested_without_end_is_unreadable(self) -> None:
        deep: Any = MESSAGE
        for _ in range(20):
            deep = {"data": deep}
        with pytest.raises(Unreadable):
            Commercetools().open(received(deep), settings())

    async def test_of_a_change_names_it_by_its_version(self) -> None:
        first, again, next_ = (
            Commercetools().open(received(shop.change("ResourceUpdated", "customer", "c", version=version)), settings())[0]
            for version in (5, 5, 6)
        )
        assert first.message_id == again.message_id != next_.message_id


class TestADelivery:
    @pytest.mark.parametrize(
        "given",
        [
            {"headers": {"authorization": "Bearer shared secret of the test"}},
            {"headers": {"x-ferrata-secret": "shared secret of the test"}},
            {"headers": {"x-api-key": "shared secret of the test"}},
            {"query": {"secret": "shared secret of the test"}},
            {"trusted": True},
        ],
    )
    async def test_is_believed_by_the_merchants_secret(self, given: dict[str, Any]) -> None:
        await Commercetools().prove(received(MESSAGE, **given), settings(), Network({}).around())

    @pytest.mark.parametrize("given", [{}, {"headers": {"authorization": "Bearer wrong"}}, {"query": {"secret": ""}}])
    async def test_is_not_believed_otherwise(self, given: dict[str, Any]) -> None:
        for chosen in (settings(), settings(push={})):
            with pytest.raises(Unverified):
                await Commercetools().prove(received(MESSAGE, **given), chosen, Network({}).around())


class TestGooglesToken:
    KEYS = "https://www.googleapis.com/oauth2/v3/certs"
    ACCOUNT = "push@shop.iam.gserviceaccount.com"

    def _token(self, key: RSAKey, **claims: Any) -> dict[str, str]:
        expires = int((NOW + timedelta(minutes=30)).timestamp())
        whole = {
            "iss": "https://accounts.google.com",
            "aud": "https://ferrata.example.com",
            "exp": expires,
            "email": self.ACCOUNT,
            "email_verified": True,
        }
        return {"authorization": f"Bearer {jwt.encode({'alg': 'RS256', 'kid': 'k'}, whole | claims, key)}"}

    async def test_is_believed_for_the_audience_and_the_account_of_the_settings_only(self) -> None:
        key, other = (RSAKey.generate_key(2048, {"kid": "k"}) for _ in range(2))
        network = Network({self.KEYS: json.dumps({"keys": [key.as_dict(private=False)]}).encode()})
        chosen = settings(push={"googleAudience": "https://ferrata.example.com", "googleServiceAccount": self.ACCOUNT})
        source, around = Commercetools(), network.around()
        for _ in range(3):
            await source.prove(received(MESSAGE, headers=self._token(key)), chosen, around)
        assert network.asked == [self.KEYS], "keys are fetched once"
        wrong = [
            self._token(other),
            self._token(key, aud="https://another.example.com"),
            self._token(key, email="somebody@else.iam.gserviceaccount.com"),
            self._token(key, email_verified=False),
            self._token(key, iss="https://evil.example.com"),
            self._token(key, exp=int((NOW - timedelta(minutes=5)).timestamp())),
            {"authorization": "Bearer nonsense"},
            {},
        ]
        for headers in wrong:
            with pytest.raises(Unverified):
                await source.prove(received(MESSAGE, headers=headers), chosen, around)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2048)


class TestAmazonSns:
    CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"
    SUBSCRIBE = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"

    def _network(self, key: rsa.RSAPrivateKey) -> Network:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=30))
        certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return Network({self.CERTIFICATE: certificate, self.SUBSCRIBE: b"<ok/>", "https://evil.example.com/c.pem": certificate})

    def _signed(self, key: rsa.RSAPrivateKey, **fields: Any) -> dict[str, Any]:
        whole = {
            "Type": "Notification",
            "MessageId": "m",
            "TopicArn": TOPIC,
            "Message": TEXT,
            "Timestamp": "2026-11-20T12:00:00.000Z",
            "SignatureVersion": "2",
            "SigningCertURL": self.CERTIFICATE,
        } | fields
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{whole[name]}\n" for name in names if name in whole)
        algorithm = hashes.SHA1() if whole["SignatureVersion"] == "1" else hashes.SHA256()
        signature = key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        return whole | {"Signature": base64.b64encode(signature).decode()}

    @pytest.mark.parametrize("version", ["1", "2"])
    async def test_is_believed_by_its_signature(self, key: rsa.RSAPrivateKey, version: str) -> None:
        network, chosen = self._network(key), settings(push={"snsTopicArns": [TOPIC]})
        await Commercetools().prove(received(self._signed(key, SignatureVersion=version)), chosen, network.around())
        assert network.asked == [self.CERTIFICATE]

    async def test_is_not_believed_when_anything_of_it_is_forged(self, key: rsa.RSAPrivateKey) -> None:
        network, chosen = self._network(key), settings(push={"snsTopicArns": [TOPIC]})
        good = self._signed(key)
        forged = [
            good | {"Message": "{}"},
            good | {"Signature": "%%%"},
            good | {"SignatureVersion": "3"},
            self._signed(key, TopicArn=TOPIC + "2"),
            self._signed(key, SigningCertURL="https://evil.example.com/c.pem"),
            self._signed(key, SigningCertURL="https://sns.eu-central-1.amazonaws.com.evil.example.com/c.pem"),
            self._signed(key, SigningCertURL=f"https://sns.eu-central-1.amazonaws.com/?Message={self.CERTIFICATE}"),
            self._signed(key, SigningCertURL="http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"),
            self._signed(rsa.generate_private_key(65_537, 2048)),
        ]
        for each in forged:
            with pytest.raises(Unverified):
                await Commercetools().prove(received(each), chosen, network.around())
        assert not [address for address in network.asked if "evil" in address or "?" in address]

    async def test_confirms_a_subscription_only_when_it_is_proven_and_at_amazons_own_address(
        self, key: rsa.RSAPrivateKey
    ) -> None:
        network, chosen, source = self._network(key), settings(push={"snsTopicArns": [TOPIC]}), Commercetools()
        told = {"Type": "SubscriptionConfirmation", "Token": "t", "Message": "You have chosen"}
        asked = received(self._signed(key, **told, SubscribeURL=self.SUBSCRIBE))
        await source.prove(asked, chosen, network.around())
        assert network.asked[-1] == self.SUBSCRIBE
        reply = source.handshake(asked, chosen)
        assert reply is not None and reply.status == 200
        elsewhere = received(self._signed(key, **told, SubscribeURL="https://internal.example.com/admin"))
        with pytest.raises(Unverified):
            await source.prove(elsewhere, chosen, network.around())
        assert network.asked.count(self.SUBSCRIBE) == 1
        assert not [address for address in network.asked if "internal" in address]


class TestAzureEventGrid:
    async def test_is_answered_its_handshake_of_cloud_events(self) -> None:
        asked = Received(body=b"", at=NOW, method="OPTIONS", headers={"webhook-request-origin": "eventgrid.azure.net"})
        reply = Commercetools().handshake(asked, settings())
        assert reply is not None
        assert reply.headers["webhook-allowed-origin"] == "eventgrid.azure.net"

    async def test_is_answered_its_handshake_of_its_own_schema(self) -> None:
        event = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}
        reply = Commercetools().handshake(received([event]), settings())
        assert reply is not None
        assert json.loads(reply.body) == {"validationResponse": "512d38b6"}

    async def test_is_not_answered_so_for_a_message(self) -> None:
        assert Commercetools().handshake(received(ENVELOPES["Event Grid"]), settings()) is None
