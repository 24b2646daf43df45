"""A faithful, faultable emulator of the part of Klaviyo's API that shops use. See docs/sandbox.md."""
