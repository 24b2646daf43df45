"""Profiles: what the store has told us about each person, in Klaviyo's spelling, merged from event to event."""
