"""Conditions on metadata, as SQL with bound values.

``{"lang": "en", "year": {"$gte": 2020}}`` asks for both.  Keys reach into nested mappings with
dots.  Where the metadata holds a list, one element that fits is enough.  Numbers compare with
numbers and text with text; ``$ne`` and ``$nin`` also let through what lacks the key.
"""

from collections.abc import Mapping
from typing import Any

_COMPARE = {"$eq": "=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_OPERATORS = (*_COMPARE, "$ne", "$in", "$nin", "$exists", "$and", "$or", "$not")


def compile_filter(condition: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return an SQL condition on documents `d`, and the values to bind in it.

    Parameters
    ----------
    condition : mapping
        Field names to values or to ``{operator: value}``; or ``$and`` / ``$or`` to a list of
        conditions, ``$not`` to one.

    Raises
    ------
    ValueError
        If an operator is unknown or a value is of the wrong kind.
    """
    values: dict[str, Any] = {}
    return _all_of(condition, values), values


def _all_of(condition: Any, values: dict[str, Any]) -> str:
    if not isinstance(condition, Mapping):
        raise ValueError(f"expected a filter such as {{'lang': 'en'}}, not {condition!r}")
    parts = [_one(str(key), wanted, values) for key, wanted in condition.items()]
    return " AND ".join(parts) or "TRUE"


def _one(key: str, wanted: Any, values: dict[str, Any]) -> str:
    if key in ("$and", "$or"):
        if not isinstance(wanted, list | tuple):
            raise ValueError(f"expected a list of filters for {key}, not {wanted!r}")
        joined = f" {key[1:].upper()} ".join(f"({_all_of(part, values)})" for part in wanted)
        return f"({joined})" if joined else ("TRUE" if key == "$and" else "FALSE")
    if key == "$not":
        return f"NOT ({_all_of(wanted, values)})"
    if key.startswith("$"):
        raise ValueError(f"expected a field name or one of $and, $or, $not, not {key!r}")
    path = _bind("$" + "".join(f".{_quoted(name)}" for name in key.split(".")), values)
    if isinstance(wanted, Mapping):
        tests = [_test(path, operator, value, values) for operator, value in wanted.items()]
        return " AND ".join(tests) or "TRUE"
    return _test(path, "$eq", wanted, values)


def _test(path: str, operator: str, value: Any, values: dict[str, Any]) -> str:
    if operator in ("$ne", "$nin"):
        return f"NOT {_test(path, '$eq' if operator == '$ne' else '$in', value, values)}"
    if operator == "$exists":
        there = f"json_type(d.metadata, {path}) IS NOT NULL"
        return there if value else f"NOT ({there})"
    if operator == "$in":
        if not isinstance(value, list | tuple | set | frozenset):
            raise ValueError(f"expected a list of values for $in or $nin, not {value!r}")
        tests = [_test(path, "$eq", one, values) for one in value]
        return f"({' OR '.join(tests) or 'FALSE'})"
    if operator not in _COMPARE:
        raise ValueError(f"expected an operator of {', '.join(_OPERATORS)}, not {operator!r}")
    if value is None:
        fits = "j.type = 'null'"
    else:
        fits = f"{_kind(value)} AND j.value {_COMPARE[operator]} {_bind(value, values)}"
    return f"EXISTS (SELECT 1 FROM json_each(d.metadata, {path}) j WHERE {fits})"


def _kind(value: Any) -> str:
    """Return the SQL test that a JSON value can be compared with `value`."""
    if isinstance(value, bool):
        return "j.type IN ('true', 'false')"
    if isinstance(value, int | float):
        return "j.type IN ('integer', 'real')"
    if isinstance(value, str):
        return "j.type = 'text'"
    raise ValueError(f"expected text, a number, a truth value or None, not {value!r}")


def _bind(value: Any, values: dict[str, Any]) -> str:
    name = f"v{len(values)}"
    values[name] = value
    return f":{name}"


def _quoted(name: str) -> str:
    if '"' in name or not name:
        raise ValueError(f'expected a field name without ", not {name!r}')
    return f'"{name}"'
