"""The events room's own errors."""

from ferrata.infra.errors import Conflict, Rejected


class EventIdTaken(Conflict):
    """An event with this event id and a different content was accepted before. The first one counts."""

    code = "event_id_taken"


class NotJson(Rejected):
    """Events are taken as JSON. Send it with the header `Content-Type: application/json`."""

    code, status = "unsupported_media_type", 415
