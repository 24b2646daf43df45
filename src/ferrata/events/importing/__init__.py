"""``ferrata events import``: a file of events into a running Ferrata, over its HTTP API.

Rows get event ids that depend on nothing but the file, so a run that was killed at any point goes on without storing anything
twice. ``rows.py`` reads, ``sender.py`` talks to Ferrata, ``progress.py`` remembers, ``run.py`` brings them together.
"""
