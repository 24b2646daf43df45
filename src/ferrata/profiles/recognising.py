"""Of people met before: what their profiles held then, so that another event that tells nothing new is noted without a look.

What is remembered here is only expected: the statement that relies on it changes nothing where the profile holds something else.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ferrata.profiles.schemas import Profile, ProfileAttributes, Sighting

MOST_REMEMBERED = 20_000
LONGEST_REMEMBERED = 2_000


class Seen(msgspec.Struct, frozen=True):
    """A profile with these attributes, as JSON, stays as it is but for its last event, if that one was not after ``first_at``."""

    id: str
    known: str
    first_at: datetime
    email: str | None
    phone: str | None
    external_id: str | None
    last: tuple[str, str, datetime]
    """The name, the id and the time of the last event."""


class _Remembered:
    __slots__ = ("attributes", "said", "text")

    def __init__(self, attributes: ProfileAttributes, text: str) -> None:
        self.attributes = attributes
        self.text = text
        self.said: ProfileAttributes | None = None  # what was found to be no news

    def holds(self, attributes: ProfileAttributes) -> bool:
        if attributes is self.said:  # read once, and told with each event of the person
            return True
        if self.attributes.merged_with(attributes) is not self.attributes:
            return False
        self.said = attributes
        return True


class Recognising:
    def __init__(self) -> None:
        self._remembered: dict[str, _Remembered] = {}

    def remember(self, profile: Profile) -> None:
        text = profile.attributes.to_json()
        if len(text) > LONGEST_REMEMBERED:
            self._remembered.pop(profile.id, None)
            return
        if len(self._remembered) >= MOST_REMEMBERED and profile.id not in self._remembered:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[profile.id] = _Remembered(profile.attributes, text)

    def seen(self, id_: str, sightings: Sequence[Sighting]) -> Seen | None:
        """What to expect of a profile that these events, in their order, tell nothing new about; None: look at it."""
        remembered = self._remembered.get(id_)
        if remembered is None or not all(remembered.holds(each.attributes) for each in sightings):
            return None
        first = last = sightings[0]
        email, phone, external_id = first.email, first.phone, first.external_id
        for each in sightings[1:]:
            if each.event_at < last.event_at:
                return None
            last = each
            email, phone, external_id = each.email or email, each.phone or phone, each.external_id or external_id
        told = (last.event_name, last.event_id, last.event_at)
        return Seen(id_, remembered.text, first.event_at, email, phone, external_id, told)
