"""Which sources there are: each folder beside this file that says ``SOURCE``, and those that other packages bring along.

Another package names its source under the entry point group ``ferrata.sources``.
"""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

import ferrata.sources
from ferrata.sources.contract import Source

GROUP = "ferrata.sources"


@cache
def installed() -> Mapping[str, Source]:
    """By kind, in the order of their titles."""
    folders = [found.name for found in pkgutil.iter_modules(ferrata.sources.__path__) if found.ispkg]
    modules = [import_module(f"{ferrata.sources.__name__}.{name}") for name in folders]
    found = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    found += [entry.load() for entry in entry_points(group=GROUP)]
    return {source.kind: source for source in sorted(found, key=lambda source: source.title.lower())}
