"""Definitions of custom metrics: which metrics, filtered how, counted or summed."""

from typing import Any, Final

from klaviyo_sandbox.bodies import is_object, missing, not_among, text, typed, unknown_members
from klaviyo_sandbox.errors import Problem

VALUE: Final = "$value"
_TEXT: Final = {
    *("contains", "ends-with", "equals", "not-contains", "not-ends-with", "not-equals", "not-starts-with"),
    *("nregex", "regex", "starts-with", "in"),
}
_LIST: Final = {f"{no}contains{how}" for no in ("", "not-") for how in ("", "-ends-with", "-starts-with", "-substring")}
_NUMERIC: Final = {
    *("equals", "greater-than", "greater-than-or-equal", "less-than", "less-than-or-equal", "not-equals"),
}
OPERATORS: Final = {
    "string": _TEXT,
    "list": _LIST,
    "numeric": _NUMERIC,
    "boolean": {"equals"},
    "existence": {"is-set", "not-set"},
}


def check_definition(definition: Any, pointer: str) -> list[Problem]:
    """Everything wrong with a definition; fills in what answers show for fields that were left out."""
    if not is_object(definition):
        return [Problem("'definition' must be an object.", pointer)]
    problems = unknown_members(definition, {"aggregation_method", "metric_groups"}, "custom-metric-definition", pointer)
    method = definition.get("aggregation_method")
    if method is None:
        problems.append(missing("aggregation_method", "custom-metric-definition", pointer))
    elif method not in ("count", "value"):
        problems.append(not_among("aggregation_method", ("count", "value"), pointer))
    groups = definition.get("metric_groups")
    if not isinstance(groups, list) or not groups:
        return [*problems, missing("metric_groups", "custom-metric-definition", pointer)]
    for index, group in enumerate(groups):
        problems += _check_group(group, f"{pointer}/metric_groups/{index}")
        if is_object(group):
            group["metric_filters"] = group.get("metric_filters") or []
            group["value_property"] = group.get("value_property") or (VALUE if method == "value" else None)
    return problems


def _check_group(group: Any, pointer: str) -> list[Problem]:
    if not is_object(group):
        return [Problem("A metric group must be an object.", pointer)]
    problems = unknown_members(group, {"metric_id", "metric_filters", "value_property"}, "custom-metric-group", pointer)
    if not isinstance(group.get("metric_id"), str):
        problems.append(missing("metric_id", "custom-metric-group", pointer))
    problems += typed(group, "value_property", pointer, text, "a string")
    filters = group.get("metric_filters") or []
    if not isinstance(filters, list):
        return [*problems, Problem("'metric_filters' must be a list.", f"{pointer}/metric_filters")]
    for index, entry in enumerate(filters):
        problems += _check_filter(entry, f"{pointer}/metric_filters/{index}")
    return problems


def _check_filter(entry: Any, pointer: str) -> list[Problem]:
    inner = entry.get("filter") if is_object(entry) else None
    if not is_object(entry) or not isinstance(entry.get("property"), str):
        return [missing("property", "CustomMetricFilter", pointer)]
    if not is_object(inner):
        return [missing("filter", "CustomMetricFilter", pointer)]
    kind, operator = inner.get("type"), inner.get("operator")
    operators = OPERATORS.get(kind) if isinstance(kind, str) else None
    if operators is None:
        return [not_among("type", sorted(OPERATORS), f"{pointer}/filter")]
    if not isinstance(operator, str) or operator not in operators:
        return [not_among("operator", sorted(operators), f"{pointer}/filter")]
    if "value" not in inner and kind != "existence":
        return [missing("value", "CustomMetricFilter", f"{pointer}/filter")]
    return []
