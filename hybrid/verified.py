"""What is wrong with an index, as values that are told in words or as JSON."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    severity : {"error", "warning"}
        An error makes answers wrong or impossible; a warning does not.
    part : str
        "manifest", "files", "store", "metadata", "indexes", "bm25", "dense", "lexical",
        "multivector" or "encoder".
    problem : str
        What was expected, and what was found.
    advice : str
        What to do.
    """

    severity: Severity
    part: str
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found.

    Attributes
    ----------
    path : str
    generation : int or None
        None when not even the manifest can be read.
    chunks : int
        Of the store.
    checked : tuple of str
        The parts that were looked at.
    findings : tuple of Finding
    """

    path: str
    generation: int | None
    chunks: int
    checked: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        head = f"{self.path}: generation {self.generation}, {self.chunks} chunks; "
        checked = f"looked at {', '.join(self.checked)}: "
        if self.ok:
            return f"{head}{checked}all is well"
        lines = [f"{f.severity}: {f.part}: {f.problem}: {f.advice}" for f in self.findings]
        return "\n".join([f"{head}{checked}{len(lines)} findings", *lines])
