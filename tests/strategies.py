"""Hypothesis strategies that several tests share."""

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

WORDS = [f"w{number}" for number in range(12)]

tokens = st.lists(st.sampled_from(WORDS), max_size=12)
queries = st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=5)


@st.composite
def rows_of(draw, count, most=40):
    """Draw distinct rows in random order, with gaps."""
    return draw(st.permutations(range(most)))[:count]


@st.composite
def corpora(draw, most=20):
    """Draw rows with a list of terms for each."""
    lists = draw(st.lists(tokens, max_size=most))
    return draw(rows_of(len(lists))), lists


@st.composite
def vectors(draw, count, dimension=3):
    """Draw small integer vectors: exact sums and many ties, never zero."""
    numbers = st.lists(st.integers(-2, 2), min_size=dimension, max_size=dimension)
    drawn = draw(st.lists(numbers.filter(any), min_size=count, max_size=count))
    return np.array(drawn, np.float32).reshape(count, dimension)


@st.composite
def weights(draw, count, terms=6):
    """Draw a sparse matrix of non-negative weights with ties."""
    steps = st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, 1.5])
    drawn = draw(st.lists(steps, min_size=count * terms, max_size=count * terms))
    return sp.csr_matrix(np.array(drawn, np.float32).reshape(count, terms))


@st.composite
def masks(draw, size=40):
    """Draw None or which rows are allowed."""
    if draw(st.booleans()):
        return None
    length = draw(st.integers(0, size))
    return np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length)), bool)
