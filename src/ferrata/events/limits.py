"""What an event may hold: Klaviyo's limits, checked before anything is kept, and Ferrata's own bounds on a request.

Klaviyo's figures: its API reference for Create Event and Bulk Create Events, and its guides on tracking events.
"""

METRIC_CHARACTERS = 127
EVENT_ID_CHARACTERS = 255
KEY_CHARACTERS = EVENT_ID_CHARACTERS - 8  # room for ":" and an index
EXTERNAL_ID_CHARACTERS = 255
PROPERTIES = 400
NESTING = 10  # the object of attributes itself is the first level
ARRAY_ITEMS = 4000
STRING_BYTES = 100_000
PROFILE_BYTES = 95_000
ENVELOPE_BYTES = 1_000  # what is written around an event to make a request of it
EVENT_BYTES = 5_000_000 - ENVELOPE_BYTES
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1
EARLIEST_YEAR = 2000
YEARS_AHEAD = 1

SINGLE_BODY_BYTES = 6_000_000
BULK_BODY_BYTES = 32_000_000
BULK_EVENTS = 10_000
PROBLEMS_TOLD = 100
