"""The history of the schema, one for both engines. ``python3 dev.py migration MESSAGE`` writes the next step."""
