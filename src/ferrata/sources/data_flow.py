"""The data-flow document: what of each source goes where in Klaviyo, and which of it is about a person. No I/O."""

from collections.abc import Iterator, Mapping

from ferrata.sources.contract import Flow, Source
from ferrata.sources.person_fields import PERSON_FIELDS


def page(sources: Mapping[str, Source], generated: str) -> str:
    """The document as Markdown, out of what the sources declare of their mappings."""
    return "\n".join([*_head(generated), *(line for source in sources.values() for line in _source(source))])


def _head(generated: str) -> Iterator[str]:
    yield "# What flows where"
    yield ""
    yield generated
    yield ""
    yield "For privacy reviews: every field that a source's mapping can send to Klaviyo, where it comes from, and whether it is"
    yield "about a person. A store's [rules](../sources/mapping.md) can take away from this; fields added by a template, and"
    yield "mappers of your own, can add to it. Raw messages stay here for `FERRATA_SOURCE_RETENTION_DAYS`, and go nowhere else."
    yield ""
    yield "Fields of a person, by the names of the allow-list `person_fields`:"
    yield ""
    yield "| Name | What it is |"
    yield "|---|---|"
    yield from (f"| `{name}` | {words} |" for name, words in PERSON_FIELDS.items())
    yield ""


def _source(source: Source) -> Iterator[str]:
    yield f"## {source.title}"
    yield ""
    for flow in source.flows:
        yield from _flow(flow)


def _flow(flow: Flow) -> Iterator[str]:
    yield f"### {flow.target[:1].upper()}{flow.target[1:]}"
    yield ""
    yield f"From: {_cell(flow.from_)}"
    yield ""
    yield "| In Klaviyo | From | About a person |"
    yield "|---|---|---|"
    for name, place in flow.fields.items():
        about = "yes" if name in flow.personal or name.partition(".")[0] in flow.personal else ""
        yield f"| `{_cell(name)}` | {_cell(place)} | {about} |"
    others = [name for name in flow.personal if name not in flow.fields]
    if others:
        yield ""
        yield f"It also carries of the person: {', '.join(f'`{name}`' for name in others)}."
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
