"""What tuning found, in words and intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import AnyMethod, Weighted
from fusion.adapting import Adapted
from fusion.calibration import Calibration, expected_error, held_out_probabilities
from fusion.grading import Setting, best_documents
from fusion.grids import with_weight
from fusion.tuning import FOLDS, Sheet, Tuning, dealt
from hybrid.settings import BM25
from hybrid.significance import Comparison, bootstrap_interval, compare
from hybrid.tuned import Curve, Report, Tuned

_STEPS = tuple(step / 20 for step in range(21))
_SHOWN = 10  # hits of a question that probabilities are learned from
_LEAST_GAIN = 0.01
_POWER = 1.96 + 0.84  # of a normal distribution: p < .05 four times out of five


@dataclass(frozen=True, slots=True)
class Summary:
    """What tuning found, in words and intervals."""

    sheet: Sheet
    found: Tuning
    adapted: Adapted | None
    tried: list[BM25]
    seed: int

    def tuned(self, provenance: dict[str, Any]) -> Tuned:
        """Return all of it."""
        gains = self._gains()
        verdict, setting = self._verdict(gains)
        method: AnyMethod = setting.method
        if verdict == "adaptive" and self.adapted is not None:
            method = self.adapted.method
        held = {name: float(values.mean()) for name, values in self._held().items()}
        best = [
            best_documents(question, self.sheet.grid.names, setting, _SHOWN)
            for question in self.sheet.questions
        ]
        calibration, error = self._calibrated([(one.scores, one.gains > 0) for one in best])
        report = Report(
            measure=self.sheet.measure.name,
            questions=len(self.sheet.questions),
            verdict=verdict,
            expected=held,
            single=self._single(),
            gains=gains,
            fitted=self.found.fitted,
            needed=self._needed(gains),
            certain=float(np.mean([one.certain for one in best])),
            calibration_error=error,
            curve=curve_of(self.sheet, setting, self.seed),
        )
        return Tuned(method, self.tried[setting.variant], report, calibration, provenance)

    def _held(self) -> dict[str, NDArray[np.float64]]:
        held = {str(name): values for name, values in self.found.held_out.items()}
        if self.adapted is not None:
            held["adaptive"] = self.adapted.held_out
        return held

    def _gains(self) -> tuple[Comparison, ...]:
        held = self._held()
        return tuple(
            replace(gain, name=f"{name} less {base}")
            for name in ("tuned", "adaptive")
            for base in ("default", "single", "tuned")
            if name in held and base in held and base != name
            for gain in compare({base: held[base], name: held[name]}, base, seed=self.seed)
        )

    def _verdict(self, gains: Sequence[Comparison]) -> tuple[str, Setting]:
        """Return what is used; weights by question only where that is proved."""
        over = {gain.name: gain for gain in gains}.get(f"adaptive less {self.found.verdict}")
        if self.adapted is not None and over is not None and over.low > 0 and over.p < 0.05:
            method = self.adapted.method
            return "adaptive", Setting(Weighted(method.weights, method.norm), self.adapted.variant)
        return self.found.verdict, self.found.setting

    def _single(self) -> str:
        weights = self.sheet.single(np.arange(len(self.sheet.questions))).method.weights or {}
        return max(weights, key=lambda name: weights[name])

    def _needed(self, gains: Sequence[Comparison]) -> int | None:
        held = self.found.held_out
        if "tuned" not in held:
            return None
        off = held["tuned"] - held["default"]
        if gains[0].low > 0 or not off.any():
            return None
        size = max(float(off.mean()), _LEAST_GAIN)
        return max(math.ceil((_POWER * float(off.std()) / size) ** 2), len(off) + 1)

    def _calibrated(
        self, hits: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]
    ) -> tuple[Calibration | None, float | None]:
        scores = np.concatenate([one for one, _ in hits]).astype(np.float64)
        relevant = np.concatenate([one for _, one in hits])
        if len(hits) < FOLDS:
            return None, None
        parts = dealt(None, len(hits), FOLDS, self.seed)
        fold = np.repeat(parts, [len(one) for one, _ in hits])
        if len(np.unique(fold)) < 2:  # hardly any question finds anything
            return None, None
        held = held_out_probabilities(scores, relevant, fold)
        return Calibration.fit(scores, relevant), expected_error(held, relevant)


def curve_of(sheet: Sheet, setting: Setting, seed: int) -> Curve | None:
    """Return the curve of the measure through a setting; None with one index."""
    names = sheet.grid.names
    if len(names) < 2:
        return None
    index = "dense" if "dense" in names else names[-1]
    weights = setting.method.weights or dict.fromkeys(names, 1.0)
    values = sheet.of_all(
        [
            replace(setting, method=with_weight(setting.method, names, index, step))
            for step in _STEPS
        ]
    )
    bounds = [bootstrap_interval(line, 999, 0.95, seed) for line in values]
    return Curve(
        sheet.measure.name,
        index,
        _STEPS,
        tuple(values.mean(axis=1).tolist()),
        tuple(low for low, _ in bounds),
        tuple(high for _, high in bounds),
        weights[index] / sum(weights.values()),
    )
