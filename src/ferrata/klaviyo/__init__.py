"""An async client for Klaviyo's API: typed, bounded, honest about what may have been executed. Needs nothing else of Ferrata."""

from .answer import Answer, NoAnswer
from .auth import Auth, OAuthSession, OAuthTokens, PrivateKey, Secret
from .client import REVISION, Klaviyo, Timeouts
from .documents import Document, Resource
from .errors import KlaviyoError, NeedsReconnect, Rejected, Transient
from .limits import Limiter, Usage
from .operations import Operation, find_operation
from .outcome import Executed, Kind, Outcome, Problem, Recovery
from .wire import Bounds

__all__ = [
    "REVISION",
    "Answer",
    "Auth",
    "Bounds",
    "Document",
    "Executed",
    "Kind",
    "Klaviyo",
    "KlaviyoError",
    "Limiter",
    "NeedsReconnect",
    "NoAnswer",
    "OAuthSession",
    "OAuthTokens",
    "Operation",
    "Outcome",
    "PrivateKey",
    "Problem",
    "Recovery",
    "Rejected",
    "Resource",
    "Secret",
    "Timeouts",
    "Transient",
    "Usage",
    "find_operation",
]
