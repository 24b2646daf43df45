"""Why Klaviyo did not answer a question."""

from ferrata.infra.errors import FerrataError, Recovery


class NoKey(FerrataError):
    """This store is not connected to Klaviyo yet. Connect it under Stores, or with: ferrata connections set-key"""

    code, status, recovery = "not_connected", 503, Recovery.RECONNECT


class KlaviyoFailed(FerrataError):
    """Klaviyo did not answer."""

    code, status, recovery = "klaviyo_failed", 502, Recovery.RETRY
