"""Results as JSON values."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def as_json(value: Any) -> Any:
    """Return a result, and all that is in it, as JSON values.

    Parameters
    ----------
    value : Hit, Explanation, Context, or another dataclass, mapping or sequence
        What was returned.  Rows are internal and left out; NaN and infinity become null.

    Examples
    --------
    >>> from hybrid.results import Added
    >>> as_json(Added(added=1, replaced=0, unchanged=0, empty=("a.txt",)))
    {'added': 1, 'replaced': 0, 'unchanged': 0, 'empty': ['a.txt']}
    """
    if is_dataclass(value):
        shown = (field.name for field in fields(value) if field.name != "row")
        return {name: as_json(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
