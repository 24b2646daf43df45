"""Inputs that break parsers: hostile texts, things that grow, JSON with anything anywhere, and bytes that were tampered with."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

Value = Any

HOSTILE = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\n",
        "a\r\nb: c",
        "\x1b[31m",
        "\ufeff",
        "\u2028",
        "\u202e",
        "é",
        "e\u0301",
        "ﬀ",
        "İ",
        "ß",
        "٣",
        "１",
        "²",
    ),
    *(
        "😀",
        "\U0010ffff",
        "\ufffe",
        "null",
        "true",
        "0",
        "-0",
        "1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "9" * 400,
        "1" * 4301,
        "0x10",
    ),
    *("1_000", "+1", " 1", "1 ", "-1", "9223372036854775808", "1E+999999", "1e99999999999999999999", "0.1e-99999999"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "2026-11-20T24:00:00Z", "2026-W47-5", "20261120"),
    *("2026-11-20T23:59:60Z", "2026-11-20", "2026-11-20T10:00:00", "2026-11-20T10:00:00+99:99", "1969-12-31T23:59:59Z", "now"),
    *("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil", "http://[", "http://a]b"),
    *(
        "https://a@b/",
        "https://a:99999/",
        "https://169.254.169.254/",
        "https://0x7f.1/",
        "https://[::ffff:127.0.0.1]/",
        "file:///etc",
    ),
    *(
        "../../etc/passwd",
        "%2e%2e%2f",
        "%00",
        "%",
        "%zz",
        "a,b",
        'a"b',
        "a'b",
        "a\\b",
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "+1+1",
        "-1-1",
    ),
    *(
        "{{",
        "}}",
        "{{ }}",
        "{{ a.b }}",
        "{{ a.__class__ }}",
        "{% for %}",
        "${7*7}",
        "<script>",
        "');--",
        'a"),or(equals(email,"b',
    ),
    *(
        "a@b",
        "a@b.c",
        "jane@example.com",
        " Jane@Shop.COM ",
        "j@xn--a.com",
        "j@ä.de",
        "a" * 65 + "@b.de",
        '"a b"@c.de',
        "+4915112345678",
    ),
    *(
        "+0",
        "+999999999999999",
        "00491511234567",
        "EUR",
        "eur",
        "XXX",
        "EURO",
        "__proto__",
        "a.b",
        "$value",
        "t=1,v1=a",
        "Bearer x",
    ),
)
_PIECES = st.text(st.sampled_from(" \t\n\r-._:;,=+@'\"\\/{}[]()<>&%$#*aA0zé٣"), min_size=1, max_size=4)
GROWN = st.builds(
    lambda before, piece, times, after: before + piece * times + after, _PIECES, _PIECES, st.integers(1, 2_000), _PIECES
)
"""What grows shows what takes longer than it should."""
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), GROWN)
NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**15, 10**30, 10**400, 1e308, -1e308, 5e-324, 0.1, -0.0]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.map(lambda text: text[:40]), inner, max_size=4),
    max_leaves=12,
)
_DEEP = st.integers(1, 200_000).map(lambda levels: b"[" * levels + b"]" * (levels % 7 and levels))


@st.composite
def documents(draw: Any, *examples: Value) -> Value:
    """One of these, with something strange in some places of it, some things gone, and some there twice."""
    document = copy.deepcopy(draw(st.sampled_from(examples)))
    for _ in range(draw(st.integers(0, 4))):
        document = _changed(draw, document)
    return document


def _changed(draw: Any, document: Value) -> Value:
    holder, name, value = None, None, document
    while isinstance(value, dict | list) and value and draw(st.integers(0, 5)):
        holder = value
        name = draw(st.sampled_from(sorted(value))) if isinstance(value, dict) else draw(st.integers(0, len(value) - 1))
        value = holder[name]
    if holder is None:
        return document if draw(st.integers(0, 9)) else draw(JSON)
    match draw(st.integers(0, 9)):
        case 0:
            del holder[name]
        case 1 if isinstance(holder, dict):
            holder[draw(TEXT)] = value
        case 2 if isinstance(holder, list):
            holder.extend([value] * draw(st.integers(1, 50)))
        case 3 if isinstance(value, str):
            holder[name] = value[: draw(st.integers(0, len(value)))] + draw(TEXT)
        case 4:
            holder[name] = {"id": value, "obj": value}
        case _:
            holder[name] = draw(JSON)
    return document


@st.composite
def tampered(draw: Any, *examples: bytes) -> bytes:
    """One of these, cut, doubled, or with other bytes in some places."""
    data = bytearray(draw(st.sampled_from(examples)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[at : at + draw(st.integers(1, 20))]
            case 1:
                data[at:at] = draw(st.binary(max_size=8))
            case 2:
                data[at:at] = bytes(data[: draw(st.integers(0, len(data)))])
            case 3:
                data[at : at + 1] = draw(TEXT).encode("utf-8", "surrogatepass")
            case _:
                del data[at:]
    return bytes(data)


def written(document: Value) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def bodies(*examples: Value) -> st.SearchStrategy[bytes]:
    """Bodies of requests: JSON like these examples, tampered with or not, other JSON, and no JSON at all."""
    like = documents(*examples).map(written)
    texts = [written(example) for example in examples]
    return st.one_of(like, like, like, tampered(*texts), JSON.map(written), TEXT.map(lambda text: text.encode()), _DEEP)
