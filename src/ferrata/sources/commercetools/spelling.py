"""Names of settings in both spellings: the official plugin's camelCase, and ours."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """A part of the settings: unknown names are refused, and each name may be given in either spelling."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, given: Any) -> Any:
        """In ours. Where both are there, camelCase counts: what is kept is in ours, so that one was given just now."""
        if not isinstance(given, Mapping):
            return given
        names = {to_camel(name): name for name in cls.model_fields}
        kept = {name: value for name, value in given.items() if name not in names}
        return kept | {names[name]: value for name, value in given.items() if name in names}
