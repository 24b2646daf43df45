"""Every setting, its default, and the seeds' own names for it. Read once, in ``entry``, and handed down in parts."""

import re
import ssl
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, AnyHttpUrl, Field, FilePath, SecretStr, UrlConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(StrEnum):
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


def _named(name: str, *aliases: str) -> AliasChoices:
    return AliasChoices(f"FERRATA_{name}", *aliases)


def _networks(text: str) -> str:
    for part in filter(None, map(str.strip, text.split(","))):
        if part != "*":
            ip_network(part, strict=False)
    return text


def _authorities(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(file))
    except (ssl.SSLError, OSError) as error:
        raise ValueError(f"{file} holds no certificates that can be read: {error}") from error
    return file


def _scopes(text: str) -> str:
    for name in text.split():
        if not re.fullmatch(r"[a-z-]+:(read|write)", name):
            raise ValueError(f"{name!r} is no scope: scopes read like events:write")
    return " ".join(text.split())


HttpUrl = Annotated[AnyHttpUrl, UrlConstraints(max_length=2048)]
Networks = Annotated[str, AfterValidator(_networks)]
Scopes = Annotated[str, AfterValidator(_scopes)]
CertificateFile = Annotated[FilePath, AfterValidator(_authorities)]


class Settings(BaseSettings):
    """Ferrata's settings, from the environment, a `.env` file, or files in a secrets directory."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    environment: Environment = Field(
        Environment.DEVELOPMENT,
        validation_alias=_named("ENVIRONMENT", "NODE_ENV"),
        description="development, staging or production. Production insists on a master key and secure cookies.",
    )
    data_dir: Path = Field(
        Path("data"),
        validation_alias=_named("DATA_DIR"),
        description="Where the embedded database, the generated master key and import progress are kept.",
    )
    database_url: str | None = Field(
        None,
        validation_alias=_named("DATABASE_URL", "DATABASE_URL"),
        description="sqlite:///file.db or postgresql://user:password@host/name. Default: ferrata.db in the data directory.",
    )
    allow_unsafe_database: bool = Field(
        False,
        validation_alias=_named("ALLOW_UNSAFE_DATABASE"),
        description="Start on a PostgreSQL whose fsync is off. Accepted events can then be lost; for throw-away tests only.",
    )
    host: str = Field("127.0.0.1", validation_alias=_named("HOST"), description="The address to listen on.")
    port: int = Field(3000, ge=0, le=65535, validation_alias=_named("PORT", "PORT"), description="The port to listen on.")
    public_url: HttpUrl | None = Field(
        None,
        validation_alias=_named("PUBLIC_URL", "NEXT_PUBLIC_APP_URL"),
        description="How people reach these pages: for links in messages, and where Klaviyo sends people back to after OAuth. "
        "Default: http://HOST:PORT.",
    )
    trusted_proxies: Networks = Field(
        "",
        validation_alias=_named("TRUSTED_PROXIES"),
        description="Addresses or networks, separated by commas, of proxies whose X-Forwarded-For and -Proto are believed.",
    )
    master_key: SecretStr | None = Field(
        None,
        validation_alias=_named("MASTER_KEY"),
        description="32 bytes as base64: encrypts Klaviyo's keys at rest. Default outside production: a file in the data "
        "directory, made on first start. Several, separated by commas: the first encrypts, the others still decrypt.",
    )
    klaviyo_api_key: SecretStr | None = Field(
        None,
        validation_alias=_named("KLAVIYO_API_KEY", "KLAVIYO_API_KEY"),
        description="A private key for the first store, taken over (encrypted) when that store has no connection yet.",
    )
    klaviyo_base_url: HttpUrl = Field(
        AnyHttpUrl("https://a.klaviyo.com"),
        validation_alias=_named("KLAVIYO_BASE_URL", "KLAVIYO_BASE_URL"),
        description="Where Klaviyo's API is; with or without a trailing /api. The sandbox goes here.",
    )
    klaviyo_token_url: HttpUrl | None = Field(
        None,
        validation_alias=_named("KLAVIYO_TOKEN_URL"),
        description="The OAuth token endpoint. Default: /oauth/token under the base URL.",
    )
    oauth_client_id: str | None = Field(
        None,
        max_length=255,
        validation_alias=_named("OAUTH_CLIENT_ID", "KLAVIYO_CLIENT_ID", "NEXT_PUBLIC_KLAVIYO_CLIENT_ID"),
        description="The client id of your OAuth app at Klaviyo. With its secret, stores can be connected without a key.",
    )
    oauth_client_secret: SecretStr | None = Field(
        None,
        validation_alias=_named("OAUTH_CLIENT_SECRET", "KLAVIYO_CLIENT_SECRET"),
        description="The client secret of your OAuth app at Klaviyo.",
    )
    oauth_scopes: Scopes = Field(
        "",
        validation_alias=_named("OAUTH_SCOPES"),
        description="What is asked of whoever connects a store by OAuth: names of scopes, separated by spaces. Default: all that "
        "Ferrata uses, the same as of a key. The app at Klaviyo must have them all.",
    )
    oauth_authorize_url: HttpUrl | None = Field(
        None,
        validation_alias=_named("OAUTH_AUTHORIZE_URL"),
        description="Klaviyo's page that asks for consent. Default: https://www.klaviyo.com/oauth/authorize, or /oauth/authorize "
        "under the base URL where that is not Klaviyo's own.",
    )
    klaviyo_ca_file: CertificateFile | None = Field(
        None,
        validation_alias=_named("KLAVIYO_CA_FILE"),
        description="A PEM file of certificate authorities to trust instead of the system's, for a proxy that inspects TLS.",
    )
    klaviyo_timeout_seconds: float = Field(
        30.0,
        gt=0,
        le=300,
        validation_alias=_named("KLAVIYO_TIMEOUT_SECONDS"),
        description="The total time that one call to Klaviyo may take, from connect to the last byte.",
    )
    purchase_events_enabled: str | None = Field(
        None,
        max_length=40,
        validation_alias=_named("PURCHASE_EVENTS_ENABLED", "KLAVIYO_PURCHASE_EVENTS_ENABLED"),
        description="The default of the flags of purchases (Placed Order and what follows from it). Only the text true enables. "
        "If any of these three is set, those that are not are off; if none is, everything is on. A flag counts more.",
    )
    subscription_events_enabled: str | None = Field(
        None,
        max_length=40,
        validation_alias=_named("SUBSCRIPTION_EVENTS_ENABLED", "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED"),
        description="The default of the flags of subscriptions (every metric whose name begins with Subscription). See above.",
    )
    cart_abandoned_enabled: str | None = Field(
        None,
        max_length=40,
        validation_alias=_named("CART_ABANDONED_ENABLED", "KLAVIYO_CART_ABANDONED_ENABLED"),
        description="The default of the flags of carts (Started Checkout, Abandoned Checkout, Added to Cart and the like). See "
        "above.",
    )
    data_retention_days: int = Field(
        7,
        ge=0,
        le=36500,
        validation_alias=_named("DATA_RETENTION_DAYS", "DATA_RETENTION_DAYS"),
        description="Delivered events older than this many days are deleted, daily at 02:00 UTC. Undelivered ones never are.",
    )
    attempt_retention_days: int = Field(
        30,
        ge=1,
        le=36500,
        validation_alias=_named("ATTEMPT_RETENTION_DAYS"),
        description="How long attempts and batches are kept at most: what Klaviyo answered to each request. Those of events that "
        "are not delivered yet, and of dead letters, are kept with them.",
    )
    counter_retention_days: int = Field(
        400,
        ge=31,
        le=36500,
        validation_alias=_named("COUNTER_RETENTION_DAYS"),
        description="For how long counters are kept by the minute; older ones are kept by the day. So long, too, cleanup runs.",
    )
    audit_retention_days: int = Field(
        2557,
        ge=365,
        le=36500,
        validation_alias=_named("AUDIT_RETENTION_DAYS"),
        description="How long the audit is kept: who did what and who was refused. Default: seven years.",
    )
    source_retention_days: int = Field(
        30,
        ge=1,
        le=36500,
        validation_alias=_named("SOURCE_RETENTION_DAYS"),
        description="How long raw messages of sources are kept: to be mapped again, and so that one sent twice counts once. "
        "Refused ones stay until somebody replays or discards them.",
    )
    source_memory_days: int = Field(
        400,
        ge=1,
        le=36500,
        validation_alias=_named("SOURCE_MEMORY_DAYS"),
        description="How long is kept what messages of sources have taught for later ones, such as the e-mail address of a "
        "customer of Stripe, if no message tells it again.",
    )
    backfill_most_waiting: int = Field(
        250_000,
        ge=1,
        validation_alias=_named("BACKFILL_MOST_WAITING"),
        description="While so many deliveries wait, history is not read on.",
    )
    delivery_max_age_days: int = Field(
        30,
        ge=1,
        le=3650,
        validation_alias=_named("DELIVERY_MAX_AGE_DAYS"),
        description="How long an event is retried before it becomes a dead letter.",
    )
    accept_wait_ms: int = Field(
        1500,
        ge=0,
        le=10_000,
        validation_alias=_named("ACCEPT_WAIT_MS"),
        description="How long POST /events waits for the first delivery attempt while the lane is calm. 0 never waits.",
    )
    max_waiting_events: int = Field(
        50_000_000,
        ge=1,
        validation_alias=_named("MAX_WAITING_EVENTS"),
        description="Accepting answers 503 beyond this many undelivered events.",
    )
    backlog_alarm_events: int = Field(
        100_000,
        ge=1,
        validation_alias=_named("BACKLOG_ALARM_EVENTS"),
        description="With so many undelivered events, health is degraded.",
    )
    commerce_currency: str | None = Field(
        None,
        validation_alias=_named("COMMERCE_CURRENCY"),
        pattern="^[A-Z]{3}$",
        description="Values of events that sources make are reported in this currency (ISO 4217), the original kept beside. "
        "Default: every amount stays in its own.",
    )
    commerce_rates: str = Field(
        "none",
        validation_alias=_named("COMMERCE_RATES"),
        description="Where exchange rates come from: none, table:PATH, ecb:PATH (the European Central Bank's CSV or XML), or "
        "python:NAME, an entry point of the group ferrata.rates.",
    )
    alerts_stalled_minutes: int = Field(
        15,
        ge=1,
        le=10_080,
        validation_alias=_named("ALERTS_STALLED_MINUTES"),
        description="An alert is raised when nothing of a store was delivered for so many minutes although events wait.",
    )
    private_networks: Networks = Field(
        "",
        validation_alias=_named("PRIVATE_NETWORKS", "FERRATA_ALERTS_ALLOWED_NETWORKS"),
        description="Private networks, separated by commas, that addresses which people enter may lead to, also by plain http: "
        "those of sources' settings (apiUrl, a queue's endpointUrl) and of alert webhooks. Default: none; such requests go to "
        "the public internet by https alone.",
    )
    smtp_host: str | None = Field(
        None, validation_alias=_named("SMTP_HOST"), description="The mail server. Unset: no mail is sent."
    )
    smtp_port: int = Field(587, ge=1, le=65535, validation_alias=_named("SMTP_PORT"), description="The mail server's port.")
    smtp_security: str = Field(
        "starttls",
        validation_alias=_named("SMTP_SECURITY"),
        pattern="^(starttls|tls|none)$",
        description="starttls (port 587), tls (port 465), or none, for a mail server on this machine or in this network.",
    )
    smtp_user: str | None = Field(None, validation_alias=_named("SMTP_USER"), description="Who signs in at the mail server.")
    smtp_password: SecretStr | None = Field(
        None, validation_alias=_named("SMTP_PASSWORD"), description="The password of that user."
    )
    smtp_from: str | None = Field(
        None,
        max_length=320,
        validation_alias=_named("SMTP_FROM"),
        description="Whom mail comes from, such as Ferrata <ferrata@example.com>.",
    )
    log_level: str = Field(
        "info",
        validation_alias=_named("LOG_LEVEL", "LOG_LEVEL"),
        pattern="^(?i:debug|info|warning|error)$",
        description="debug, info, warning or error.",
    )
    log_format: str = Field(
        "auto",
        validation_alias=_named("LOG_FORMAT"),
        pattern="^(auto|json|text)$",
        description="json, text, or auto: text on a terminal, json elsewhere.",
    )
    oidc_issuer: str | None = Field(
        None,
        max_length=255,
        pattern="^https?://[^\\s?#]+$",
        validation_alias=_named("OIDC_ISSUER"),
        description="The issuer of an OpenID provider, exactly as its discovery document names it: people may sign in with it.",
    )
    oidc_client_id: str | None = Field(
        None, validation_alias=_named("OIDC_CLIENT_ID"), description="How the OpenID provider knows this Ferrata."
    )
    oidc_client_secret: SecretStr | None = Field(
        None, validation_alias=_named("OIDC_CLIENT_SECRET"), description="The secret that belongs to FERRATA_OIDC_CLIENT_ID."
    )
    oidc_name: str = Field(
        "your organisation",
        max_length=60,
        validation_alias=_named("OIDC_NAME"),
        description="What the button on the sign-in page calls the OpenID provider.",
    )
    oidc_domains: str = Field(
        "",
        validation_alias=_named("OIDC_DOMAINS"),
        description="Domains, separated by commas: whoever has a verified e-mail address there may come in by the OpenID "
        "provider without an invitation, as a member without any role. Default: nobody.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        validation_alias=_named("METRICS_TOKEN"),
        description="If set, GET /metrics asks for it as a bearer token.",
    )
    otel_endpoint: HttpUrl | None = Field(
        None,
        validation_alias=_named("OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="An OTLP/HTTP collector for traces. Unset: no tracing.",
    )

    def public_address(self) -> str:
        """How people reach the pages, without a slash at the end."""
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        host = f"[{host}]" if ":" in host else host
        return str(self.public_url).rstrip("/") if self.public_url else f"http://{host}:{self.port}"

    def has_secure_cookies(self) -> bool:
        """Whether browsers reach the pages by https alone: then cookies are bound to that."""
        return self.environment is Environment.PRODUCTION or self.public_address().startswith("https://")

    def database(self) -> str:
        """The database's URL, defaults applied."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'ferrata.db'}"
