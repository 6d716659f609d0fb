"""Batches of texts: every text once, in order, whatever memory does."""

import logging
import weakref
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.encoders.batching import Batching, is_out_of_memory
from hybrid.errors import EncoderError

some_lengths = st.lists(st.integers(0, 20), max_size=25)


class Model:
    """Gives the number of a text back; has memory for so many tokens, padding included."""

    def __init__(self, lengths, memory=10**9, error=MemoryError):
        self.lengths, self.memory, self.error = lengths, memory, error
        self.batches, self.failures = [], 0

    def __call__(self, places):
        if len(places) * max(self.lengths[place] for place in places) > self.memory:
            self.failures += 1
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB\nsecond line")
        self.batches.append(places)
        return [f"text {place}" for place in places]


def run(batching, model):
    texts = [f"text {number}" for number in range(len(model.lengths))]
    return texts, batching.run(texts, model.lengths, model)


@given(some_lengths, st.integers(1, 60))
def test_every_text_is_encoded_once_within_the_budget_and_in_order(lengths, tokens):
    model = Model(lengths)
    texts, found = run(Batching("m", tokens=tokens), model)
    assert found == texts
    assert sorted(place for batch in model.batches for place in batch) == list(range(len(lengths)))
    for batch in model.batches:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= tokens


@given(some_lengths, st.integers(1, 60))
def test_batches_are_full_and_go_from_long_to_short(lengths, tokens):
    model = Model(lengths)
    run(Batching("m", tokens=tokens), model)
    in_turn = [lengths[place] for batch in model.batches for place in batch]
    assert in_turn == sorted(lengths, reverse=True)
    for batch in model.batches[:-1]:
        assert (len(batch) + 1) * max(lengths[batch[0]], 1) > tokens


@given(some_lengths, st.integers(1, 9))
def test_a_given_size_is_taken_whatever_the_lengths(lengths, size):
    model = Model(lengths)
    texts, found = run(Batching("m", size=size), model)
    assert found == texts
    assert [len(batch) for batch in model.batches[:-1]] == [size] * max(len(model.batches) - 1, 0)


@given(some_lengths, st.integers(20, 60), st.none() | st.integers(1, 9))
def test_with_little_memory_every_text_is_still_encoded_once(lengths, memory, size):
    model, batching = Model(lengths, memory), Batching("m", tokens=500, size=size)
    texts, found = run(batching, model)
    assert found == texts
    assert Counter(place for batch in model.batches for place in batch) == Counter(
        range(len(texts))
    )
    failures = model.failures
    run(batching, model)
    assert model.failures == failures  # what did not fit is remembered


def test_a_failed_batch_is_halved_and_that_is_said_once(caplog):
    lengths = [10] * 16
    model = Model(lengths, memory=35)
    batching = Batching("mini", tokens=160)
    with caplog.at_level(logging.WARNING, "hybrid"):
        run(batching, model)
        run(batching, Model(lengths, memory=15))
    assert model.failures == 3  # 16, 8, 4 texts
    assert [len(batch) for batch in model.batches] == [2] * 8
    assert [record.getMessage() for record in caplog.records] == [
        "encoder 'mini' ran out of memory with 16 texts in a batch: it goes on with 8"
    ]


def test_a_text_too_long_for_memory_is_named():
    texts = ["short", "a long text that nobody has memory for"]
    with pytest.raises(EncoderError, match=r"CUDA out of memory.*length 9 .*'a long text that no"):
        Batching("m").run(texts, [1, 9], Model([1, 9], memory=8))


def test_the_failed_batch_is_freed_before_the_next_is_tried():
    """On a GPU, tensors that an error's traceback holds would keep the memory from the retry."""
    failed = []

    class Tensor:
        pass

    def encode(places):
        tensor = Tensor()
        assert all(reference() is None for reference in failed)
        if len(places) > 1:
            failed.append(weakref.ref(tensor))
            raise MemoryError
        return places

    assert Batching("m").run(["a"] * 4, [1] * 4, encode) == [0, 1, 2, 3]
    assert len(failed) == 2


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        type("RuntimeException", (Exception,), {"__module__": "onnxruntime.capi.state"})(
            "BFCArena: Failed to allocate memory for requested buffer of size 4"
        ),
    ],
)
def test_lack_of_memory_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory"), KeyError("memory")],
)
def test_other_errors_are_passed_on_and_nothing_is_tried_again(error):
    calls = []

    def encode(places):
        calls.append(places)
        raise error

    with pytest.raises(type(error)) as raised:
        Batching("m").run(["a", "b"], [1, 1], encode)
    assert raised.value is error
    assert calls == [[0, 1]]


def test_a_wrong_number_of_results_is_refused():
    with pytest.raises(EncoderError, match="expected 2 results from encoder 'm', not 1"):
        Batching("m").run(["a", "b"], [1, 1], lambda places: places[:1])


@pytest.mark.parametrize("limits", [{"tokens": 0}, {"size": 0}, {"size": -1}])
def test_limits_below_one_are_refused(limits):
    with pytest.raises(ValueError, match="at least 1"):
        Batching("m", **limits)
