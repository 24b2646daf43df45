"""Amounts with their currency, exact: decimal numbers, and the number of decimals that ISO 4217 gives each currency."""

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"
_EXPONENTS = {
    code: decimals for decimals, codes in ((0, _NO_DECIMALS), (3, _THREE_DECIMALS), (4, _FOUR_DECIMALS)) for code in codes.split()
}


class CurrencyMismatch(ValueError):
    """Amounts of two currencies cannot be added: nobody has said at which rate."""


def exponent(currency: str) -> int:
    """How many decimals the currency has by ISO 4217: 0 for JPY, 3 for KWD, 2 for most."""
    return _EXPONENTS.get(currency, 2)


class Money(msgspec.Struct, frozen=True, order=False):
    """An amount in major units of a currency: ``Money(Decimal("19.90"), "EUR")``.

    Raises:
        ValueError: the amount is no finite number, or the currency is no code of three capital letters.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise ValueError(f"an amount must be a finite number, not {self.amount}")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isalpha() and self.currency.isupper()):
            raise ValueError(f"a currency must be a code of ISO 4217 such as EUR, not {self.currency!r}")

    @classmethod
    def of_minor(cls, units: int, currency: str, decimals: int | None = None) -> "Money":
        """Of the smallest units: 1990 EUR are 19.90, 1990 JPY are 1990, 1990 KWD are 1.990. The code in any case.

        ``decimals``: what the sender says, where it says it (commercetools' ``fractionDigits``), instead of ISO 4217.
        """
        code = currency.upper()
        return cls(Decimal(units).scaleb(-(exponent(code) if decimals is None else decimals)), code)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return cls.of_minor(0, currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, quantity: Decimal | int) -> "Money":
        return Money(self.amount * quantity, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __bool__(self) -> bool:
        return self.amount != 0

    def rounded(self) -> "Money":
        """To the decimals of the currency, halves to the even neighbour, so that many roundings do not drift."""
        step = Decimal(1).scaleb(-exponent(self.currency))
        return Money(self.amount.quantize(step, rounding=ROUND_HALF_EVEN), self.currency)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same(self, other: "Money") -> Decimal:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be put together")
        return other.amount
