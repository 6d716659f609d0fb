r"""The language of conditions on metadata.

``{"lang": "en", "year": {"$gte": 2020}}`` asks for both.

=====================  =============================================================
``$eq`` ``$ne``        equal, or not; ``{"lang": "en"}`` is short for ``$eq``
``$in`` ``$nin``       equal to one of a list, or to none of it
``$gt $gte $lt $lte``  order of numbers, of text (by code points), of points in time
``$exists``            whether the key is there, be it with ``None``
``$not``               before a condition, or in place of an operator
``$and`` ``$or``       lists of conditions
=====================  =============================================================

*Keys* reach into nested mappings with dots, also into mappings in lists.  A backslash takes a dot,
a backslash or a ``$`` as it is: ``a\.b`` is one key with a dot.  *Lists*: where the metadata holds
one, an element that fits is enough.  *Kinds*: numbers compare with numbers (exactly, however long),
text with text, truth values with truth values; ``True`` is not 1.  ``$ne``, ``$nin`` and ``$not``
also let through what lacks the key.

*Dates*: a `datetime.date` or `datetime.datetime` is compared with text that is an ISO 8601 date,
``2024-05-31``, or date and time, ``2024-05-31T10:00:00+02:00``, as points in time; text of other
shapes does not fit.  So is, under ``$gt $gte $lt $lte``, text of these shapes in a condition;
``$eq`` and ``$in`` compare text letter by letter.  Without an offset a time is UTC, and a date is
its first moment: of the 31st, ``{"$lte": "2024-05-31"}`` lets only that through.
"""

import datetime
import math
import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

NULL, TRUTH, NUMBER, TEXT, MOMENT = range(5)
"""Kinds of values: what can be compared is of one kind.  A moment is microseconds since 1970."""

Value = tuple[int, Any]
"""A kind, and what is compared."""

_ORDER = ("$gt", "$gte", "$lt", "$lte")
_OPERATORS = ("$eq", "$ne", "$in", "$nin", *_ORDER, "$exists", "$not")
_JOINING = ("$and", "$or", "$not")

DEEPEST = 32
"""How far conditions may be nested."""

MOST_TESTS = 1000
"""Of one condition."""

MOST_KEYS = 64
"""Different keys of one condition: each takes a pass over all metadata when it is new."""

MOST_VALUES = 1_000_000
"""Of all lists after ``$in`` and ``$nin`` together."""

_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SHOWN = 80  # characters of what was wrong that a message repeats


@dataclass(frozen=True, slots=True)
class KeyTest:
    """A test of the values under one key.

    Attributes
    ----------
    names : tuple of str
        The key, a name for each level.
    operator : str
        "$in", "$gt", "$gte", "$lt", "$lte" or "$exists".
    values : frozenset of (int, object)
        With their kinds; one for an order, none for "$exists".
    by_kind : dict of int to set
        The same values by their kinds.
    """

    names: tuple[str, ...]
    operator: str
    values: frozenset[Value] = frozenset()
    by_kind: dict[int, set[Any]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        found: dict[int, set[Any]] = {}
        for kind, value in self.values:
            found.setdefault(kind, set()).add(value)
        object.__setattr__(self, "by_kind", found)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; true without any."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part at least holds; false without any."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """A part does not hold."""

    part: "Condition"


Condition = KeyTest | AllOf | AnyOf | Not
"""A condition that was checked; equal ones hash alike."""


def parse_filter(condition: Mapping[str, Any]) -> Condition:
    """Return a condition as its parts, checked.

    Parameters
    ----------
    condition : mapping
        Keys to values or to ``{operator: value}``; ``$and`` or ``$or`` to a list of conditions,
        ``$not`` to one.

    Raises
    ------
    ValueError
        If an operator is unknown, a value is of the wrong kind or NaN, or the condition is nested
        deeper than `DEEPEST`, or has more than `MOST_TESTS`, `MOST_KEYS` or `MOST_VALUES`.
    """
    return _Parser().condition(condition, DEEPEST)


def names_of(key: str) -> tuple[str, ...]:
    """Return the names that a key with dots and backslashes stands for.

    Raises
    ------
    ValueError
        If a name is empty, or a backslash stands before something else than a dot, a backslash or
        a ``$``.
    """
    names = [""]
    letters = iter(key)
    for letter in letters:
        if letter == ".":
            names.append("")
        elif letter == "\\":
            escaped = next(letters, "")
            if escaped not in (".", "\\", "$"):
                raise ValueError(rf"expected \., \\ or \$ in the key {_shown(key)}")
            names[-1] += escaped
        else:
            names[-1] += letter
    if not all(names):
        raise ValueError(f"expected names between the dots, not the key {_shown(key)}")
    if len(names) > DEEPEST:
        raise ValueError(f"expected a key of at most {DEEPEST} names, not {_shown(key)}")
    return tuple(names)


def moment_of(text: str) -> int | None:
    """Return an ISO date, or date and time, as microseconds since 1970; None for other text."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return _moment(datetime.datetime.fromisoformat(text))
    except ValueError:
        return None


@dataclass(slots=True)
class _Parser:
    """What was read of one condition so far."""

    tests: int = 0
    listed: int = 0
    keys: set[tuple[str, ...]] = field(default_factory=set)

    def condition(self, given: Any, depth: int) -> Condition:
        if not isinstance(given, Mapping):
            raise ValueError(f"expected a filter such as {{'lang': 'en'}}, not {_shown(given)}")
        if not depth:
            raise ValueError(f"expected a filter nested at most {DEEPEST} deep")
        self._count()
        return _all([self._entry(key, wanted, depth) for key, wanted in given.items()])

    def _entry(self, key: object, wanted: Any, depth: int) -> Condition:
        if not isinstance(key, str):
            raise ValueError(f"expected a key of metadata as text, not {_shown(key)}")
        self._count()
        if key == "$not":
            return Not(self.condition(wanted, depth - 1))
        if key in _JOINING:
            if not isinstance(wanted, list | tuple):
                raise ValueError(f"expected a list of filters for {key}, not {_shown(wanted)}")
            parts = [self.condition(part, depth - 1) for part in wanted]
            return _all(parts) if key == "$and" else AnyOf(tuple(parts))
        if key.startswith("$"):
            expected = ", ".join(_JOINING)
            raise ValueError(f"expected a key or one of {expected}, not {_shown(key)}")
        names = names_of(key)
        self.keys.add(names)
        if len(self.keys) > MOST_KEYS:
            raise ValueError(f"expected at most {MOST_KEYS} different keys in a filter")
        return self._tests(names, wanted, depth)

    def _tests(self, names: tuple[str, ...], wanted: Any, depth: int) -> Condition:
        if not isinstance(wanted, Mapping):
            return KeyTest(names, "$in", frozenset([_value(wanted)]))
        if not depth:
            raise ValueError(f"expected a filter nested at most {DEEPEST} deep")
        return _all([self._test(names, *item, depth) for item in wanted.items()])

    def _test(self, names: tuple[str, ...], operator: Any, wanted: Any, depth: int) -> Condition:
        self._count()
        if not isinstance(operator, str) or operator not in _OPERATORS:
            known = ", ".join(_OPERATORS)
            raise ValueError(f"expected an operator of {known}, not {_shown(operator)}")
        if operator == "$not":
            if not isinstance(wanted, Mapping):
                raise ValueError(f"expected {{operator: value}} for $not, not {_shown(wanted)}")
            return Not(self._tests(names, wanted, depth - 1))
        if operator == "$exists":
            if not isinstance(wanted, bool):
                raise ValueError(f"expected True or False for $exists, not {_shown(wanted)}")
            there = KeyTest(names, "$exists")
            return there if wanted else Not(there)
        if operator in _ORDER:
            return KeyTest(names, operator, frozenset([_ordered(operator, wanted)]))
        listed = self._list(operator, wanted) if operator in ("$in", "$nin") else [wanted]
        equal = KeyTest(names, "$in", frozenset(map(_value, listed)))
        return Not(equal) if operator in ("$ne", "$nin") else equal

    def _list(self, operator: str, wanted: Any) -> Collection[Any]:
        if not isinstance(wanted, list | tuple | Set):
            raise ValueError(f"expected a list of values for {operator}, not {_shown(wanted)}")
        self.listed += len(wanted)
        if self.listed > MOST_VALUES:
            raise ValueError(f"expected at most {MOST_VALUES} values in the lists of a filter")
        return wanted

    def _count(self) -> None:
        self.tests += 1
        if self.tests > MOST_TESTS:
            raise ValueError(f"expected at most {MOST_TESTS} tests in a filter: use $in")


def _all(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _value(value: Any) -> Value:
    """Return a value with its kind."""
    if value is None:
        return NULL, None
    if isinstance(value, bool):
        return TRUTH, value
    if isinstance(value, int) or (isinstance(value, float) and not math.isnan(value)):
        return NUMBER, value
    if isinstance(value, str):
        return TEXT, value
    if isinstance(value, datetime.date):
        return MOMENT, _moment(value)
    raise ValueError(f"expected text, a number, a truth value, a date or None, not {_shown(value)}")


def _ordered(operator: str, value: Any) -> Value:
    """Return what values are compared with by their order."""
    kind, wanted = _value(value)
    if kind in (NULL, TRUTH):
        raise ValueError(f"expected a number, text or a date for {operator}, not {value!r}")
    moment = moment_of(wanted) if kind == TEXT else None
    return (kind, wanted) if moment is None else (MOMENT, moment)


def _moment(value: datetime.date) -> int:
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if value.utcoffset() is None:
        value = value.replace(tzinfo=datetime.UTC)
    return (value - _EPOCH) // datetime.timedelta(microseconds=1)


def _shown(value: object) -> str:
    """Return a value for a message, cut where it is long; any object may come here."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    if isinstance(value, int | float):
        return f"{value!r}" if isinstance(value, float) or abs(value) < 1 << 64 else "a large int"
    return f"a {type(value).__name__}"
