"""What can go wrong while a store is connected by OAuth."""

from ferrata.infra.errors import Conflict, Forbidden, Rejected, Transient


class NoOAuthApp(Conflict):
    """This installation has no OAuth app at Klaviyo yet: set FERRATA_OAUTH_CLIENT_ID and FERRATA_OAUTH_CLIENT_SECRET."""

    code = "no_oauth_app"


class NeedsPerson(Forbidden):
    """Connecting by OAuth needs a person who is signed in with a browser: Klaviyo asks them for consent."""

    code = "needs_person"


class StateUnknown(Rejected):
    """This answer of Klaviyo belongs to no connecting that is under way: it was used before, is too old, or was never begun
    here. Nothing was changed; begin again."""

    code, is_refusal = "oauth_state_unknown", True


class StateForeign(Forbidden):
    """This connecting was begun by somebody else or in another browser. Nothing was changed; begin again here."""

    code = "oauth_state_foreign"


class ConsentRefused(Rejected):
    """Klaviyo was not allowed to give access. Nothing was changed."""

    code, status = "oauth_consent_refused", 422


class CodeRefused(Rejected):
    """Klaviyo did not take the code back that it had given. Nothing was changed; begin again."""

    code, status = "oauth_code_refused", 422


class OAuthUnavailable(Transient):
    """Klaviyo could not be asked for access at the moment. Nothing was changed; begin again in a while."""

    code = "oauth_unavailable"


class NotByOAuth(Conflict):
    """This store is not connected by OAuth."""

    code = "not_by_oauth"
