"""What conditions mean, in the plainest way: one document, one condition, no SQL, no numpy."""

import operator
from datetime import UTC, date, datetime

COMPARE = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


def holds(condition, found):
    """Whether a condition holds of a document's metadata."""
    for key, wanted in condition.items():
        if key == "$and":
            passed = all(holds(part, found) for part in wanted)
        elif key == "$or":
            passed = any(holds(part, found) for part in wanted)
        elif key == "$not":
            passed = not holds(wanted, found)
        else:
            under = reached(found, names(key))
            if isinstance(wanted, dict):
                passed = passes_all(under, wanted)
            else:
                passed = passes(under, "$eq", wanted)
        if not passed:
            return False
    return True


def passes_all(under, tests):
    return all(
        not passes_all(under, wanted) if test == "$not" else passes(under, test, wanted)
        for test, wanted in tests.items()
    )


def passes(under, test, wanted):
    """Whether what stands under a key passes one test."""
    if test == "$exists":
        return bool(under) == wanted
    if test in ("$ne", "$nin"):
        return not passes(under, "$eq" if test == "$ne" else "$in", wanted)
    if test == "$in":
        return any(passes(under, "$eq", one) for one in wanted)
    values = [one for value in under for one in (value if isinstance(value, list) else [value])]
    return any(fits(value, test, wanted) for value in values)


def fits(value, test, wanted):
    """Whether one value passes one test."""
    if isinstance(wanted, str) and test in COMPARE and moment(wanted) is not None:
        wanted = moment(wanted)
    elif isinstance(wanted, date):
        wanted = moment(wanted.isoformat())
    if isinstance(wanted, datetime):
        value = moment(value) if isinstance(value, str) else None
    if kind(value) is not kind(wanted):
        return False
    return value == wanted if test == "$eq" else COMPARE[test](value, wanted)


def kind(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value)
    return float


def moment(text):
    if len(text) < 10 or text[4] + text[7] != "--" or not text[:4].isdigit():
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def reached(found, path):
    """All that stands under a path."""
    if not path:
        return [found]
    inner = found if isinstance(found, list) else [found]
    return [
        deeper
        for one in inner
        if isinstance(one, dict) and path[0] in one
        for deeper in reached(one[path[0]], path[1:])
    ]


def names(key):
    """The names of a key, by marking what is escaped."""
    for letter, mark in (("\\", "\ue000"), (".", "\ue001"), ("$", "\ue002")):
        key = key.replace("\\" + letter, mark)
    marks = str.maketrans({"\ue000": "\\", "\ue001": ".", "\ue002": "$"})
    return [name.translate(marks) for name in key.split(".")]
