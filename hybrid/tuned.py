"""What tuning found: what to use, what it is worth, and how that is known."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fusion import AnyMethod
from fusion.calibration import Calibration
from fusion.catalogue import from_settings, settings_of
from hybrid.settings import BM25
from hybrid.significance import Comparison

if TYPE_CHECKING:
    from hybrid.retriever import Retriever

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Curve:
    """The measure against the weight of one index, all else as in what was tuned.

    Attributes
    ----------
    measure : str
    index : str
        Whose weight; the others share the rest in proportion.
    weights, means, lows, highs : tuple of float
        Mean over all questions, and its bootstrap interval of 95 %.
    chosen : float
        The weight that was chosen.
    """

    measure: str
    index: str
    weights: tuple[float, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    chosen: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a choice is worth on questions that it was not made from.

    Attributes
    ----------
    measure : str
    questions : int
        How many judged questions were used.
    verdict : {"tuned", "default", "single", "adaptive", "estimated"}
        What is used: what was tuned, the default, the best index alone, weights that depend on
        the question, or what was estimated without judgements (`hybrid.unlabelled`).
    expected : dict of str to float
        Mean of the measure on held-out questions, of each of these that was tried.
    single : str
        The index that is best alone.
    gains : tuple of Comparison
        What was tuned (and what adapts to the question) less the default and less the best index
        alone, on held-out questions.
    fitted : float
        Mean over the very questions that made the choice; too high for others.
    needed : int or None
        About how many judged questions would tell a gain of this size from chance, four times out
        of five; None where these do, or where what was tuned answers none otherwise.
    certain : float
        Share of the questions whose first ten documents are certain to be among the candidates that
        were looked at.
    calibration_error : float or None
        Expected calibration error of the probabilities, on held-out questions.
    curve : Curve or None
        None with one index.
    notes : tuple of str
        What else a person should know.
    """

    measure: str
    questions: int
    verdict: str
    expected: dict[str, float]
    single: str
    gains: tuple[Comparison, ...]
    fitted: float
    needed: int | None
    certain: float
    calibration_error: float | None
    curve: Curve | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found.

    Attributes
    ----------
    fusion : AnyMethod
        For `Retriever.fusion`.
    bm25 : BM25
        For `Retriever.bm25`.
    report : Report
        What they are worth.
    calibration : Calibration or None
        From the score of a hit to the probability that it is relevant;
        ``calibration.score_for(0.5)`` is a `min_score` for a search.
    provenance : dict
        What they were tuned from, as JSON values.
    """

    fusion: AnyMethod
    bm25: BM25
    report: Report
    calibration: Calibration | None
    provenance: dict[str, Any]

    def apply(self, retriever: "Retriever") -> None:
        """Have a retriever search as this says; `Retriever.commit` makes it last."""
        retriever.bm25 = self.bm25
        retriever.fusion = self.fusion

    def save(self, path: str | Path) -> None:
        """Write all into a JSON file."""
        settings = {
            "format": FORMAT,
            "fusion": settings_of(self.fusion),
            "bm25": self.bm25.settings(),
            "report": asdict(self.report),
            "calibration": None if self.calibration is None else self.calibration.settings(),
            "provenance": self.provenance,
        }
        Path(path).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is of another format.
        """
        settings = _read(Path(path))
        try:
            line = settings["calibration"]
            return cls(
                from_settings(settings["fusion"]),
                BM25(**settings["bm25"]),
                _report(settings["report"]),
                None if line is None else Calibration.from_settings(line),
                settings["provenance"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"expected a file of `hybrid tune`, but in {path}: {error}") from error

    def __str__(self) -> str:
        """Return what a person can act on."""
        report, held = self.report, self.report.expected
        use = f"{_spelled(self.fusion)}, BM25 k1={self.bm25.k1:g} b={self.bm25.b:g}."
        if not held:  # nothing was judged
            return "\n".join([f"Use {_UNJUDGED[report.verdict]}: {use}", *report.notes])
        lines = [
            f"{report.questions} judged questions, {report.measure}.",
            f"Use {_VERDICTS[report.verdict]}: {use}",
            f"Expected on new questions: {held[report.verdict]:.4f} (" + _others(report) + ").",
        ]
        lines += [
            f"{gain.name}: {gain.difference:+.4f}, 95 % between {gain.low:+.4f} and "
            f"{gain.high:+.4f}, p = {gain.p:.3g}."
            for gain in report.gains
        ]
        if report.needed is not None:
            lines.append(
                f"That may be chance: to tell, judge about {report.needed} questions in all."
            )
        if report.calibration_error is not None:
            lines.append(f"Probabilities of relevance are off by {report.calibration_error:.3f}.")
        return "\n".join(lines)


_VERDICTS = {
    "tuned": "what was tuned",
    "default": "the default, which nothing beats for certain",
    "single": "one index alone, which is better than any fusion",
    "adaptive": "weights that depend on the question",
}
_UNJUDGED = {"estimated": "what was estimated", "default": "what is used now"}


def _others(report: Report) -> str:
    names = {"single": f"{report.single} alone"}
    return ", ".join(
        f"{names.get(name, name)} {value:.4f}"
        for name, value in report.expected.items()
        if name != report.verdict
    )


def _spelled(method: AnyMethod) -> str:
    settings = settings_of(method)
    weights = ", ".join(f"{name} {weight:g}" for name, weight in (method.weights or {}).items())
    kind = settings.get("norm") or f"k={settings.get('k')}"
    return f"{type(method).__name__} by {kind} ({weights or 'equal weights'})"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a file of `hybrid tune`, but {path} is no JSON") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise ValueError(f"expected a file of `hybrid tune` of format {FORMAT}: {path} is another")
    return settings


def _report(settings: Mapping[str, Any]) -> Report:
    curve = settings["curve"]
    values = {
        **settings,
        "gains": tuple(Comparison(**gain) for gain in settings["gains"]),
        "notes": tuple(settings.get("notes", ())),
        "curve": None if curve is None else _curve(curve),
    }
    return Report(**values)


def _curve(settings: Mapping[str, Any]) -> Curve:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    return Curve(**values)
