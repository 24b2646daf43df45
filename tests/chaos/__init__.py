"""The hostile runs: real processes killed at chosen points, a Klaviyo of our own that misbehaves, and oracles that count.

``python3 dev.py chaos --help`` runs it for long; the short runs are ordinary tests. Nothing here imports the product.
"""
