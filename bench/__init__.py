"""How fast Ferrata is, beside a floor and beside what one would use instead, in one run: ``python3 dev.py bench``."""
