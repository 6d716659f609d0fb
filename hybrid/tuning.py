"""Tuning of a retriever from judged questions: from texts and ids to numbers, and back."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from fusion import RRF, AnyMethod, Arm, Weighted
from fusion.adapting import adapt
from fusion.catalogue import settings_of
from fusion.features import features_of
from fusion.grids import Grid
from fusion.judged import DEPTH, Judging, Question
from fusion.measures import Custom, Measure, OfRanking, measure_named
from fusion.tuning import FOLDS, Sheet, tune
from hybrid.asking import Asking
from hybrid.indexing import Indexes
from hybrid.settings import BM25
from hybrid.store import ChunkStore
from hybrid.tuned import Curve, Tuned
from hybrid.tuning_report import Summary, curve_of

K1S, BS = (0.3, 0.6, 0.9, 1.2, 1.6, 2.2), (0.1, 0.3, 0.5, 0.75, 0.9)
"""What is tried for BM25."""

MOST = 2000
"""Questions that are used at most; more of them would only take more time."""


class TuningOptions(TypedDict, total=False):
    """What can be chosen of tuning.

    Attributes
    ----------
    bm25 : bool
        Whether BM25's k1 and b are tuned, too (default: yes).
    adaptive : bool
        Whether weights that depend on the question are tried; they are used only where they are
        significantly better on held-out questions (default: no).
    groups : mapping of str to object
        By query id, what a question belongs to: a group is held out as a whole.
    folds : int
        Parts that are held out in turn (default 5).
    seed : int
        Of folds and samples (default 0).
    progress : callable
        Is told how many questions are done, and of how many.
    """

    bm25: bool
    adaptive: bool
    groups: Mapping[str, object]
    folds: int
    seed: int
    progress: Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Tuner:
    """What is tuned: one state of a retriever.

    Attributes
    ----------
    store, indexes
        What is searched.
    fusion : AnyMethod
        The default that must be beaten.
    """

    store: ChunkStore
    indexes: Indexes
    fusion: AnyMethod

    def tune(
        self,
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        measure: str | OfRanking,
        options: TuningOptions,
    ) -> Tuned:
        """Return what judged questions speak for; see `Retriever.tune`."""
        _check(options)
        if not len(self.indexes.bm25):
            raise ValueError("expected documents to tune for, but the index is empty")
        aim = measure_named(measure) if isinstance(measure, str) else _custom(measure)
        seed = options.get("seed", 0)
        ids = chosen_questions(queries, qrels, seed)
        tries = self._variants(tuned=options.get("bm25", True))
        asked = self.indexes.arms([queries[name] for name in ids])
        grid = self._grid(asked, tries)
        questions = self._judged(grid, asked, [qrels[name] for name in ids], tries, options)
        sheet = Sheet(questions, grid, aim)
        groups, folds = options.get("groups"), options.get("folds", FOLDS)
        of = None if groups is None else [groups.get(name, name) for name in ids]
        found = tune(sheet, groups=of, folds=folds, seed=seed)
        adapted = None
        if options.get("adaptive") and len(grid.names) > 1 and "tuned" in found.held_out:
            features = np.array([features_of(arms) for arms in asked])
            adapted = adapt(sheet, features, groups=of, folds=folds, seed=seed)
        provenance = self._provenance(ids, queries, qrels, seed)
        return Summary(sheet, found, adapted, [choice for choice, _ in tries], seed).tuned(
            provenance
        )

    def curve(
        self, queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]
    ) -> Curve | None:
        """Return nDCG@10 of the fusion against the weight of one index."""
        ids = chosen_questions(queries, qrels, seed=0)
        tries = self._variants(tuned=False)
        asked = self.indexes.arms([queries[name] for name in ids])
        grid = self._grid(asked, tries)
        questions = self._judged(grid, asked, [qrels[name] for name in ids], tries, {})
        sheet = Sheet(questions, grid, measure_named("nDCG@10"))
        return curve_of(sheet, sheet.settings[0], seed=0)

    def _variants(self, *, tuned: bool) -> list[tuple[BM25, float]]:
        """Return the settings of BM25 that are tried, each with how far it is from the present."""
        own = self.indexes.choices[0]
        tried = [(own, 0.0)]
        for k1 in K1S if tuned else ():
            for b in BS:
                choice = replace(own, k1=k1, b=b)
                if choice != own:
                    far = 0.5 * abs(math.log(k1 / max(own.k1, 0.1))) + abs(b - own.b)
                    tried.append((choice, far))
        return tried

    def _grid(
        self, asked: Sequence[Mapping[str, Arm]], tries: Sequence[tuple[BM25, float]]
    ) -> Grid:
        names = tuple(sorted(self.indexes.names()))
        rescoring = any(arm.rescores for arms in asked for arm in arms.values())
        default = self.fusion
        if not isinstance(default, (Weighted, RRF)) or not _computes(default):
            default = self.indexes.default_fusion()
        if not isinstance(default, (Weighted, RRF)):
            raise TypeError(f"expected a default by weights, not {default}")
        by_rank = isinstance(default, RRF)
        weights = default.weights or dict.fromkeys(names, 1.0)
        # ranks of an index that rescores, and the best of all its rows, take long
        several = len(names) > 1 and (by_rank or not rescoring)
        return Grid(
            replace(default, weights=weights),
            names,
            tuple(far for _, far in tries),
            ("zscore", "minmax") if several and _bounded(asked) else ("zscore",),
            (10.0, 60.0) if several else (),
        )

    def _judged(
        self,
        grid: Grid,
        asked: Sequence[Mapping[str, Arm]],
        judgements: Sequence[Mapping[str, int]],
        tries: Sequence[tuple[BM25, float]],
        options: TuningOptions,
    ) -> list[Question]:
        numbers, documents = self._documents()
        tell = options.get("progress") or _silent
        bm25 = self.indexes.bm25
        variants: list[dict[str, Any]] = [{}]
        variants += [{"bm25": bm25.with_formula(**one.settings())} for one, _ in tries[1:]]
        norms = {*grid.norms, *([grid.default.norm] if isinstance(grid.default, Weighted) else [])}
        ranks = bool(grid.ks) or isinstance(grid.default, RRF)
        judging = Judging(documents, variants, sorted(norms), ranks, DEPTH)
        questions = []
        for place, (arms, judged) in enumerate(zip(asked, judgements, strict=True)):
            unknown = len(numbers)  # documents that are not here are relevant and never found
            relevance = {
                numbers.get(name, unknown + place): float(gain)
                for place, (name, gain) in enumerate(judged.items())
            }
            questions.append(judging.judge(arms, relevance))
            tell(place + 1, len(asked))
        return questions

    def _documents(self) -> tuple[dict[str, int], NDArray[np.int64]]:
        """Return the number of each document, and by row that of its document."""
        rows = self.store.rows()
        numbers: dict[str, int] = {}
        found = [
            numbers.setdefault(name, len(numbers))
            for start in range(0, len(rows), 10_000)
            for name in self.store.doc_ids(rows[start : start + 10_000].tolist())
        ]
        documents = np.zeros(int(rows.max(initial=-1)) + 1, np.int64)
        documents[rows] = found
        return numbers, documents

    def _provenance(
        self,
        ids: Sequence[str],
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        seed: int,
    ) -> dict[str, Any]:
        from hybrid import __version__

        judged = [[name, queries[name], sorted(qrels[name].items())] for name in ids]
        encoder = self.indexes.encoder
        return {
            "hybrid": __version__,
            "chunks": len(self.store),
            "encoder": None if encoder is None else encoder.fingerprint().get("name"),
            "default": settings_of(self.fusion),
            "questions_sha256": hashlib.sha256(json.dumps(judged).encode()).hexdigest(),
            "seed": seed,
        }


def weight_curve(
    retriever: Asking, queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]
) -> Curve | None:
    """Return nDCG@10 of a retriever's fusion against the weight of one index; None with one index.

    Parameters
    ----------
    retriever : Asking
    queries, qrels : mapping
        As in `Retriever.tune`.
    """
    search = retriever._search()
    tuner = Tuner(search.store, search.indexes, search.fusion)
    return tuner.curve(queries, qrels)


def chosen_questions(
    queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]], seed: int
) -> list[str]:
    """Return the questions that have a text and a relevant document, or a sample of them.

    Raises
    ------
    ValueError
        If there is none.
    """
    ids = [
        name
        for name, judged in qrels.items()
        if queries.get(name, "").strip() and any(gain > 0 for gain in judged.values())
    ]
    if not ids:
        raise ValueError("expected judged questions: no query has a text and a relevant document")
    if len(ids) > MOST:
        chosen = np.random.default_rng(seed).choice(len(ids), MOST, replace=False)
        ids = [ids[place] for place in sorted(chosen.tolist())]
    return ids


def _computes(method: Weighted | RRF) -> bool:
    """Return whether the method can be tuned: missing scores computed, no norm of lists."""
    return method.missing == "exact" and not getattr(method, "norm", "").startswith("list-")


def _bounded(asked: Sequence[Mapping[str, Arm]]) -> bool:
    """Return whether there is a lowest score in all indexes, which min-max needs."""
    arms = [arm for arms in asked[:1] for arm in arms.values()]  # the same for all questions
    return all(math.isfinite(arm.index.statistics(arm.query).floor) for arm in arms)


def _check(options: TuningOptions) -> None:
    unknown = sorted(set(options) - TuningOptions.__optional_keys__)
    if unknown:
        known = ", ".join(sorted(TuningOptions.__optional_keys__))
        raise TypeError(f"expected options of {known}, not {', '.join(unknown)}")


def _custom(function: OfRanking) -> Measure:
    if not callable(function):
        raise TypeError(f"expected a measure by name or a function, not {function!r}")
    return Custom(getattr(function, "__name__", "measure"), function)


def _silent(done: int, total: int) -> None:
    """Tell nobody."""
