"""Segment's tracking calls: existing libraries send them here, and nothing but their address changes."""

from ferrata.sources.segment.source import Segment

SOURCE = Segment()
