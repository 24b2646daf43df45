"""Merging one profile into another. The answer comes at once, the merge later; until then the source still resolves.

Klaviyo does not document which values win. Here the destination's do, and the source fills what is empty.
"""

from typing import Any

from klaviyo_sandbox import bodies, deferred, jsonapi, profile_store
from klaviyo_sandbox.deferred import Turn
from klaviyo_sandbox.errors import invalid
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.profile_store import Profile
from klaviyo_sandbox.resources import operation
from klaviyo_sandbox.resources.profiles import visible_profile


@operation("merge_profiles")
def merge_profiles(call: Call) -> Answer:
    """202 (as recorded; 201 in the description) with the destination's identifier."""
    data = bodies.data(call, "profile-merge", members=["relationships"])
    if not isinstance(data.get("id"), str):
        raise invalid("'id' is a required field for the resource 'profile-merge'.", "/data/id")
    sources = bodies.linked(data, "profiles", "profile")
    if len(sources) != 1:
        detail = f"Exactly one source profile must be given, got {len(sources)}."
        raise invalid(detail, "/data/relationships/profiles/data")
    destination, source = visible_profile(call, data["id"]), visible_profile(call, sources[0])
    if destination.id == source.id:
        raise invalid("A profile cannot be merged into itself.", "/data/relationships/profiles/data/0/id")
    deferred.schedule(call, "merge", {"destination": destination.id, "source": source.id})
    shown = jsonapi.resource(call, "profile", destination.id, {})
    return jsonapi.single(call, shown, status=call.status(recorded=202, spec=201))


@deferred.work("merge")
def _merge(turn: Turn, payload: dict[str, str]) -> None:
    destination = profile_store.find(turn.state, turn.account_id, payload["destination"])
    source = profile_store.find(turn.state, turn.account_id, payload["source"])
    if destination is None or source is None:
        return  # an earlier merge took one of the two
    _fill(destination, source)
    destination.updated = turn.timestamp
    profile_store.save(turn.state, destination)
    profile_store.move_identifiers(turn.state, source, destination)
    profile_store.run_moves(turn.state, source.id, destination.id)
    profile_store.delete(turn.state, [source.id])
    turn.journal.effect(turn, "profile_merged", subject=source.id, profile_id=destination.id)


def _fill(destination: Profile, source: Profile) -> None:
    destination.identifiers = {
        kind: destination.identifiers.get(kind) or source.identifiers.get(kind)
        for kind in {**source.identifiers, **destination.identifiers}
    }
    for part in ("fields", "location", "properties"):
        merged: dict[str, Any] = {**getattr(source, part), **getattr(destination, part)}
        setattr(destination, part, merged)
    destination.last_event_at = max(destination.last_event_at or 0, source.last_event_at or 0) or None
