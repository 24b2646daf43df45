"""What a profile becomes when another event speaks of the person. No I/O."""

from datetime import datetime

import msgspec

from ferrata.profiles.schemas import Profile, ProfileAttributes, Sighting, profile_id


def first_profile(store_id: str, person: str, now: datetime) -> Profile:
    """The empty profile of somebody not heard of before."""
    kind, _, identifier = person.partition(":")
    return Profile(
        id=profile_id(store_id, person),
        store_id=store_id,
        person=person,
        email=identifier if kind == "email" else None,
        phone=identifier if kind == "phone" else None,
        external_id=identifier if kind == "external" else None,
        attributes=ProfileAttributes(),
        last_event_name=None,
        last_event_id=None,
        last_event_at=None,
        klaviyo_id=None,
        klaviyo_read_at=None,
        created_at=now,
        updated_at=now,
    )


def after_sighting(profile: Profile, seen: Sighting, now: datetime) -> Profile:
    """The profile after one more event. An event older than the last one only fills gaps: history never overwrites news."""
    is_news = profile.last_event_at is None or seen.event_at >= profile.last_event_at
    older, newer = (profile.attributes, seen.attributes) if is_news else (seen.attributes, profile.attributes)
    return msgspec.structs.replace(
        profile,
        email=_latest(profile.email, seen.email, is_news),
        phone=_latest(profile.phone, seen.phone, is_news),
        external_id=_latest(profile.external_id, seen.external_id, is_news),
        attributes=older.merged_with(newer),
        last_event_name=seen.event_name if is_news else profile.last_event_name,
        last_event_id=seen.event_id if is_news else profile.last_event_id,
        last_event_at=seen.event_at if is_news else profile.last_event_at,
        updated_at=now,
    )


def _latest(known: str | None, seen: str | None, is_news: bool) -> str | None:
    return (seen or known) if is_news else (known or seen)
