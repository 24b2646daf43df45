"""The catalogue: items, their variants and categories as the shop has them, brought to Klaviyo in their newest version."""
