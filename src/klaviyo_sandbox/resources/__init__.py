"""One file per resource; every module of this package is found and imported by itself.

To add a resource, write `resources/<noun>.py`:

    schema("CREATE TABLE IF NOT EXISTS widgets (...)")           # from klaviyo_sandbox.state; optional

    @operation("get_widgets")                                    # operation id of operations.tsv: path, limits, scopes
    def list_widgets(call: Call) -> Answer:
        rows = call.state.all("SELECT ... WHERE account_id = ?", (call.account_id,))
        return collection(call, [resource(call, "widget", row["id"], {...}) for row in rows])

What the pipeline has done before a resource is called: path, method, content negotiation, authentication, scopes,
revision, rate windows, body size, and one open database transaction, which is rolled back when the resource raises.
Refuse with `raise invalid(detail, pointer)` and its siblings in `errors`; read the body from `call.document`; page with
`paging.keyset`; tell the journal what happened in Klaviyo's world with `call.sandbox.journal.effect(call, ...)`.
"""

import importlib
import pkgutil
from collections.abc import Callable

from klaviyo_sandbox import operations
from klaviyo_sandbox.exchange import Answer, Call

Act = Callable[[Call], Answer]
_ACTS: dict[str, Act] = {}


def operation(operation_id: str) -> Callable[[Act], Act]:
    """Declare what an operation does. The id must stand in operations.tsv, and may be declared once."""
    if operation_id not in operations.load().by_id:
        raise LookupError(f"no such operation: {operation_id}")
    if operation_id in _ACTS:
        raise LookupError(f"operation declared twice: {operation_id}")

    def declare(act: Act) -> Act:
        _ACTS[operation_id] = act
        return act

    return declare


def discover() -> dict[str, Act]:
    """Import every resource module and return what each operation does."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _ACTS
