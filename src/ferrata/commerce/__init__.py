"""The one model of commerce: orders, carts and subscriptions become the events that Klaviyo's flows understand.

Pure: no I/O, no clock, nothing imported but ``kit``. Sources build the model, and hand what comes of it to events and profiles.
"""
