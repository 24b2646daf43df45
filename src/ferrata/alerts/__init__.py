"""Tells people, once, that something needs them, and once that it is over: by signed webhook and by e-mail."""
