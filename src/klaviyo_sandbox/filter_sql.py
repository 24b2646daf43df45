"""A checked filter as an SQL condition: expressions come from the resource, values travel only as parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from klaviyo_sandbox.filters import Condition, Scalar

_COMPARISONS: Final = {
    "equals": "=",
    "less-than": "<",
    "less-or-equal": "<=",
    "greater-than": ">",
    "greater-or-equal": ">=",
}


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field is stored: an SQL expression, and how a value must be encoded to compare with it."""

    sql: str
    encode: Callable[[Scalar], Scalar] = field(default=lambda value: value)


def where(conditions: Sequence[Condition], columns: Mapping[str, Column]) -> tuple[str, list[Scalar]]:
    """SQL for all conditions together and its parameters; values never become part of the SQL text."""
    clauses: list[str] = []
    parameters: list[Scalar] = []
    for condition in conditions:
        clause, values = _clause(condition, columns[condition.field])
        clauses.append(clause)
        parameters.extend(values)
    return " AND ".join(clauses) or "1", parameters


def _clause(condition: Condition, column: Column) -> tuple[str, list[Scalar]]:
    asked = condition.value if isinstance(condition.value, list) else [condition.value]
    values = [column.encode(value) for value in asked if value is not None]
    match condition.operator:
        case "has":
            return f"{column.sql} IS NOT NULL", []
        case "any" | "equals" if isinstance(condition.value, list):
            return f"{column.sql} IN ({', '.join('?' * len(values))})", values
        case "contains" | "contains-any":
            return f"({' OR '.join([f'instr({column.sql}, ?) > 0'] * len(values))})", values
        case "contains-all":
            return f"({' AND '.join([f'instr({column.sql}, ?) > 0'] * len(values))})", values
        case "starts-with":
            return f"substr({column.sql}, 1, length(?)) = ?", values * 2
        case "ends-with":
            return f"substr({column.sql}, -length(?)) = ?", values * 2
        case operator:
            return f"{column.sql} {_COMPARISONS[operator]} ?", values
