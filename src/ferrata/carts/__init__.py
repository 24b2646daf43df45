"""Carts in flight: what people put in, when they leave it, and the link that brings it back.

A shop tells each act; here is decided, once and in the database, which carts were abandoned.
"""
