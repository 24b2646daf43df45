"""Sources: shops and payment systems whose messages become events, profiles and catalog items. ``contract.py`` first."""
