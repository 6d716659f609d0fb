"""Files and values changed at random, the same way for the same seed."""

import json
import math
from typing import Any

import numpy as np

HOSTILE: tuple[Any, ...] = (
    -1, 0, 1, 2**31, 2**63, 10**30, -(2**63), 1e308, math.nan, math.inf, True, None, "", "x",
    "../../etc/passwd", "\x00", [], {}, [[]], [1] * 1000, {"a": {"b": []}}, 65_536, 4_294_901_760,
)  # fmt: skip
"""What nobody expects in the place of a number, a name or a list."""


def mutated(content: bytes, name: str, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Return the content of a file, changed; `others` are contents of other files."""
    if name.endswith(".json") and rng.random() < 0.7:
        return _mutated_json(content, rng)
    if name.endswith(".npy") and rng.random() < 0.3:
        return _mutated_header(content, rng)
    if name.endswith(".npy") and len(content) > 128 and rng.random() < 0.4:
        return content[:128] + _mutated_numbers(content[128:], rng)
    return _mutated_bytes(content, rng, others)


def _mutated_bytes(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    data = bytearray(content)
    way = rng.integers(7)
    at = int(rng.integers(len(data) + 1))
    if way == 0:
        return bytes(data[:at])
    if way == 1:
        return bytes(data[:at]) + rng.bytes(int(rng.integers(1, 200))) + bytes(data[at:])
    if way == 2:
        return others[int(rng.integers(len(others)))]
    if way == 3:
        return b"" if rng.random() < 0.2 else rng.bytes(len(data))
    if way == 4:
        size = int(rng.integers(1, 65))
        data[at : at + size] = bytes([int(rng.choice([0, 0x7F, 0x80, 0xFF]))]) * len(
            data[at : at + size]
        )
    else:
        for place in rng.integers(len(data) or 1, size=int(rng.integers(1, 9))):
            if data:
                data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _mutated_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Change whole numbers of two, four or eight bytes: to large ones, to those of others."""
    width = int(rng.choice([1, 2, 4, 8]))
    whole = len(data) // width * width
    numbers = np.frombuffer(data[:whole], f"<u{width}").copy()
    if not len(numbers):
        return data
    places = rng.integers(len(numbers), size=int(rng.choice([1, 3, len(numbers)])))
    most = 256**width - 1
    values = [0, 1, most, most >> 1, (most >> 1) + 1, int(rng.integers(most >> 1)), len(numbers)]
    numbers[places] = values[int(rng.integers(len(values)))] & most
    if rng.random() < 0.2:
        numbers = numbers[rng.permutation(len(numbers))]
    return numbers.tobytes() + data[whole:]


def _mutated_header(content: bytes, rng: np.random.Generator) -> bytes:
    head = content[:128].decode("latin-1")
    changes = [
        ("<u4", "<f4"), ("<u4", "<u8"), ("<i8", "<f8"), ("<f4", "|O"), ("<u2", "<i2"),
        ("False", "True"), ("'shape': (", "'shape': (9223372036854775807, "),
        ("'shape': (", "'shape': (1000000000"), ("'shape': (", "'shape': (-"), ("), }", "1), }"),
        ("'shape': (", "'shape': (" + "(" * 60), ("'descr': '<", "'descr': '>"),
    ]  # fmt: skip
    old, new = changes[int(rng.integers(len(changes)))]
    return head.replace(old, new, 1).encode("latin-1") + content[128:]


def _mutated_json(content: bytes, rng: np.random.Generator) -> bytes:
    values = json.loads(content)
    for _ in range(int(rng.integers(1, 4))):
        values = changed(values, rng)
    return json.dumps(values).encode()


def changed(value: Any, rng: np.random.Generator) -> Any:
    """Return a JSON value with one place in it changed, left out or repeated."""
    hostile = HOSTILE[int(rng.integers(len(HOSTILE)))]
    if not value or not isinstance(value, dict | list) or rng.random() < 0.05:
        if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
            return value + int(rng.integers(-3, 4))
        return hostile
    copy = dict(value) if isinstance(value, dict) else list(value)
    keys: list[Any] = list(copy) if isinstance(copy, dict) else list(range(len(copy)))
    key = keys[int(rng.integers(len(keys)))]
    if rng.random() < 0.1:
        del copy[key]
    elif isinstance(copy, list) and rng.random() < 0.1:
        copy.append(copy[key])
    else:
        copy[key] = changed(copy[key], rng)
    return copy
