"""The audit as people and programs read it: its page, its API, its export. What is noted, and how, is in ``audit``."""
