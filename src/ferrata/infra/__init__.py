"""Settings, database, secrets, logs: what rooms stand on. Knows no room."""
