"""Messages of others without the keys that they quote, in addresses and headers."""

import re

_HIDDEN = "***"
_NAMES = r"(?:[\w-]*(?:api[_-]?key|token|secret|password|passwd|signature)|key|sig|pwd)"
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), _HIDDEN),  # user:password@host
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {_HIDDEN}"),
    (re.compile(rf"(?i)\b({_NAMES}[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;)}}]+"), rf"\1{_HIDDEN}"),
    (re.compile(r"\b(?:sk|pk|hf|ghp|xox[a-z])[-_][\w-]{8,}"), _HIDDEN),
)


def without_secrets(text: str) -> str:
    """Return a message in which what looks like a key is stars.

    Examples
    --------
    >>> without_secrets("401 for https://api.example.com/v1?api_key=abc123&model=m")
    '401 for https://api.example.com/v1?api_key=***&model=m'
    """
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
