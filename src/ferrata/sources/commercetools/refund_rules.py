"""Money given back: transactions of payments, and items returned and refunded."""

from collections.abc import Sequence
from decimal import Decimal

from ferrata.commerce import orders as commerce
from ferrata.commerce.model import Line, Order, Part, Refund
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.order_rules import model_of, nothing, order_of, product_lookups
from ferrata.sources.commercetools.purchases import has_identity
from ferrata.sources.commercetools.reading import Json, amount, first_instant, listed, pieces, within
from ferrata.sources.contract import Lookup, Mapped, TrackedEvent


def lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    if _is_told_unfit(seen, found):
        return ()
    if not isinstance(seen.body.get("transaction"), dict) and not found.has("payment", seen.resource_id):
        return [Lookup("payment", seen.resource_id)]
    if not _transactions(seen, found):
        return ()
    wanted = Lookup("orders_of_payment", seen.resource_id)
    if wanted not in found.looked_up:
        return [wanted]
    return [look for order in found.many(wanted.what, wanted.key)[:1] for look in product_lookups(order)]


def refunded(seen: Notification, found: Found) -> Mapped:
    """Refunded Order for each transaction that the message tells of."""
    if _is_told_unfit(seen, found):
        return nothing("transaction", f"in state {_told_state(seen)} no money has been given back")
    transactions = _transactions(seen, found)
    if not transactions:
        return nothing("transaction", "it gives no money back, or not yet")
    orders = found.many("orders_of_payment", seen.resource_id)
    if not orders:
        return nothing("payment", "it belongs to no order")
    if not has_identity(orders[0]):
        return nothing("order", "it has neither customerEmail nor customerId, so it is nobody's")
    model = model_of(orders[0], found)
    refunds = [refund for refund in (_refund(each, seen, found) for each in transactions) if refund]
    if not refunds:
        return nothing("transaction", "it names no amount")
    return Mapped(events=tuple(commerce.refunded(model, refunds, found.terms)))


def history(order: Json, model: Order, found: Found) -> list[TrackedEvent]:
    """All refunds of an order whose payments came along with it."""
    payments = [each["obj"] for each in listed(within(order, "paymentInfo", "payments")) if isinstance(each.get("obj"), dict)]
    refunds = []
    for payment in payments:
        for each in listed(payment.get("transactions")):
            money = amount(each.get("amount")) if _gives_back(each, found) else None
            at = first_instant(each.get("timestamp"), payment.get("lastModifiedAt")) or found.at
            if money is not None:
                refunds.append(Refund(id=str(each.get("id")), at=at, amount=money))
    return commerce.refunded(model, refunds, found.terms)


def returned(seen: Notification, found: Found) -> Mapped:
    """Refunded Order for each item that was returned and refunded, where the merchant books refunds that way."""
    order = order_of(seen, found)
    if order is None or not has_identity(order):
        return nothing("order", "there is no such order any more" if order is None else "it is nobody's")
    items = [item for info in listed(order.get("returnInfo")) for item in listed(info.get("items"))]
    refunded_items = [item for item in items if item.get("paymentState") == "Refunded"]
    if not refunded_items:
        return nothing("order", "none of its returned items is refunded")
    model = model_of(order, found)
    lines = {line.id: line for line in model.lines}
    refunds = [_refund_of_item(item, lines, seen, found) for item in refunded_items]
    known = [refund for refund in refunds if refund]
    if not known:
        return nothing("return", "its returned items are no lines of the order")
    return Mapped(events=tuple(commerce.refunded(model, known, found.terms)))


def _refund_of_item(item: Json, lines: dict[str, Line], seen: Notification, found: Found) -> Refund | None:
    line = lines.get(str(item.get("lineItemId") or item.get("customLineItemId")))
    quantity = pieces(item.get("quantity"))
    if line is None or not line.quantity:
        return None
    at = first_instant(item.get("lastModifiedAt"), item.get("createdAt")) or seen.at or found.at
    share = (line.row_total * (Decimal(quantity) / Decimal(line.quantity))).rounded()
    return Refund(id=str(item.get("id")), at=at, amount=share, parts=(Part(line.id, quantity),))


def _transactions(seen: Notification, found: Found) -> list[Json]:
    """The transactions that the message tells of and that give money back: one; all of the payment if it does not say which."""
    told = seen.body.get("transaction")
    if isinstance(told, dict):
        return [told] if _gives_back(told, found) else []
    payment = found.one("payment", seen.resource_id)
    wanted, state = seen.body.get("transactionId"), seen.body.get("state")
    known = listed(within(payment, "transactions"))
    concerned = [{**each, "state": state or each.get("state")} for each in known if wanted in (None, each.get("id"))]
    return [each for each in concerned if _gives_back(each, found)]


def _gives_back(transaction: Json, found: Found) -> bool:
    payment = found.settings.payment
    return transaction.get("type") in payment.types and transaction.get("state") in payment.states.valid_transaction_states


def _told_state(seen: Notification) -> str:
    return str(seen.body.get("state") or within(seen.body.get("transaction"), "state") or "")


def _is_told_unfit(seen: Notification, found: Found) -> bool:
    """Whether the message alone says that no money was given back."""
    state = _told_state(seen)
    return bool(state) and state not in found.settings.payment.states.valid_transaction_states


def _refund(transaction: Json, seen: Notification, found: Found) -> Refund | None:
    money = amount(transaction.get("amount"))
    at = first_instant(transaction.get("timestamp")) or seen.at or found.at
    return None if money is None else Refund(id=str(transaction.get("id")), at=at, amount=money)
