"""Judged questions made by hand, and a measure that says of them what a test wants."""

from dataclasses import dataclass

import numpy as np

from fusion.judged import Question, Said

LINES = {norm: np.tile([0.0, 1.0], (2, 1)) for norm in ("zscore", "minmax")}


def said_of(scores, listed=None, ranks=None):
    """Return what indexes say whose scores are taken as they are."""
    scores = np.array(scores, np.float32)
    count, rows = scores.shape
    listed = np.full(rows, 2**count - 1, np.uint8) if listed is None else listed
    lines = {norm: line[:count] for norm, line in LINES.items()}
    ends, whole = np.full(count, -np.inf), np.ones(count, np.bool_)
    return Said(scores, lines, ranks, listed, ends, whole, rows)


def question_of(said, relevance=None, starts=None):
    """Return a question about documents of one row each, or of those between the starts."""
    rows = said[0].scores.shape[1]
    starts = np.arange(rows + 1) if starts is None else np.array(starts)
    relevant = {number: gain for number, gain in (relevance or {}).items() if gain > 0}
    wanted = np.array([n for n in sorted(relevant) if n < len(starts) - 1], np.int64)
    return Question(
        np.arange(rows),
        starts,
        wanted,
        np.array([relevant[n] for n in wanted.tolist()], np.float64),
        np.sort(np.array(list(relevant.values()), np.float64))[::-1],
        tuple(said),
    )


def worth(*values):
    """Return a question that is worth so much by each variant, by `Worth`."""
    return question_of([said_of([[value]]) for value in values])


def aimed(target):
    """Return a question for `Aim` that is answered best with this weight of the second index."""
    said = said_of([[0.0], [0.0]])
    return question_of([said], {0: 10 + target})  # its relevance is where the target is kept


@dataclass(frozen=True)
class Worth:
    """The value of a variant is the score of its only row."""

    name: str = "worth"

    def of(self, question, listed, values, weights):
        return np.full(len(weights), values[0, 0])


@dataclass(frozen=True)
class Aim:
    """How near the weight of the second index is to what the question wants."""

    name: str = "aim"

    def of(self, question, listed, values, weights):
        return 1 - (weights[:, 1] - (question.ideal[0] - 10)) ** 2
