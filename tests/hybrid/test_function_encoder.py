"""A function as an encoder: batches, retries, pace, and async functions."""

import asyncio
import functools
import threading

import numpy as np
import pytest

import hybrid
from hybrid.encoders import calling
from hybrid.encoders.base import Encoder
from tests.hybrid.conftest import TEXTS, letters


class FakeClock(calling.Clock):
    """Time that passes by sleeping only."""

    def __init__(self):
        self.time = 100.0
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    fake = FakeClock()
    monkeypatch.setattr(calling, "CLOCK", fake)
    return fake


def delays(clock):
    return [seconds for seconds in clock.slept if seconds]


class Failing:
    """A function whose first calls fail."""

    def __init__(self, failures):
        self.failures = failures
        self.calls = []

    def __call__(self, texts):
        self.calls.append(len(texts))
        if len(self.calls) <= self.failures:
            raise ConnectionError("the service is gone")
        return letters(texts)


class AsyncFailing(Failing):
    async def __call__(self, texts):
        return super().__call__(texts)


async def async_letters(texts):
    await asyncio.sleep(0)
    return letters(texts)


@pytest.mark.parametrize(
    "kind", [np.asarray, list, tuple, lambda v: [tuple(r) for r in v.tolist()]]
)
def test_arrays_lists_and_tuples_are_taken(kind):
    encoder = hybrid.FunctionEncoder(lambda texts: kind(letters(texts)), "letters", 27)
    assert isinstance(encoder, Encoder)
    found = encoder.encode_documents(TEXTS).dense
    assert found.dtype == np.float32
    assert (found == letters(TEXTS)).all()
    assert encoder.encode_queries([]).dense.shape == (0, 27)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1, 2]], r"expected 2 vectors of 3 dimensions from encoder 'bad', not .* \(1, 2\)"),
        ([[1, 2, 3, 4]] * 2, r"not an array of shape \(2, 4\)"),
        ([[1, 2, 3], [1, 2]], "as an array or lists of numbers, not list"),
        (None, "as an array or lists of numbers, not NoneType|not an array of shape"),
        ([["a", "b", "c"]] * 2, "as an array or lists of numbers"),
    ],
)
def test_wrong_shapes_are_refused_and_not_tried_again(given, message):
    calls = []
    encoder = hybrid.FunctionEncoder(lambda texts: calls.append(1) or given, "bad", 3, retries=5)
    with pytest.raises(hybrid.EncoderError, match=message):
        encoder.encode_documents(["a", "b"])
    assert len(calls) == 1


@pytest.mark.parametrize("failing", [Failing, AsyncFailing])
def test_texts_go_in_batches_and_come_back_in_order(failing):
    embed = failing(0)
    encoder = hybrid.FunctionEncoder(embed, "letters", 27, batch_size=3)
    assert (encoder.encode_documents(TEXTS).dense == letters(TEXTS)).all()
    assert embed.calls == [3, 3, 2]


@pytest.mark.parametrize("failing", [Failing, AsyncFailing])
def test_a_call_is_tried_again_later_and_later(failing, clock):
    embed = failing(3)
    encoder = hybrid.FunctionEncoder(embed, "letters", 27, retries=3)
    assert (encoder.encode_documents(TEXTS).dense == letters(TEXTS)).all()
    waited = delays(clock)
    assert len(waited) == 3
    for seconds, middle in zip(waited, [0.5, 1, 2], strict=True):
        assert 0.5 * middle <= seconds <= 1.5 * middle


@pytest.mark.parametrize("failing", [Failing, AsyncFailing])
def test_a_call_that_fails_for_good_names_its_batch(failing):
    embed = failing(99)
    encoder = hybrid.FunctionEncoder(embed, "letters", 27, retries=2, batch_size=5)
    message = (
        "encoder 'letters' failed after 3 tries on texts 1 to 5 .* 'Cats purr when they are content"
        ".*: ConnectionError: the service is gone"
    )
    with pytest.raises(hybrid.EncoderError, match=message) as raised:
        encoder.encode_documents(TEXTS)
    assert isinstance(raised.value.__cause__, ConnectionError)
    assert len(embed.calls) == 3


def test_delays_do_not_grow_without_end(clock):
    encoder = hybrid.FunctionEncoder(Failing(12), "letters", 27, retries=12)
    encoder.encode_documents(TEXTS)
    assert max(delays(clock)) <= 90
    assert delays(clock)[-1] >= 30


def test_an_interrupt_is_not_tried_again():
    calls = []

    def interrupted(texts):
        calls.append(1)
        raise KeyboardInterrupt

    encoder = hybrid.FunctionEncoder(interrupted, "letters", 27, retries=5)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode_documents(TEXTS)
    assert len(calls) == 1


@pytest.mark.parametrize("embed", [letters, async_letters])
def test_only_so_many_calls_a_second(embed, clock):
    moments = []

    def timed(texts):
        moments.append(clock.now())
        return letters(texts)

    async def async_timed(texts):
        return timed(texts)

    used = timed if embed is letters else async_timed
    encoder = hybrid.FunctionEncoder(used, "letters", 27, batch_size=2, rate_limit=4)
    encoder.encode_documents(TEXTS)
    assert moments == [100, 100.25, 100.5, 100.75]
    clock.time += 10  # what was not used is not saved up
    encoder.encode_documents(TEXTS[:4])
    assert moments[4:] == [110.75, 111.0]


def test_tries_count_as_calls(clock):
    encoder = hybrid.FunctionEncoder(Failing(1), "letters", 27, retries=1, rate_limit=0.01)
    encoder.encode_documents(TEXTS)
    assert clock.now() == pytest.approx(200)


@pytest.mark.parametrize(
    "embed", [async_letters, functools.partial(async_letters), AsyncFailing(0)]
)
def test_async_functions_in_and_outside_of_an_event_loop(embed):
    encoder = hybrid.FunctionEncoder(embed, "letters", 27)
    assert (encoder.encode_documents(TEXTS).dense == letters(TEXTS)).all()

    async def inside():
        return encoder.encode_queries(TEXTS).dense

    assert (asyncio.run(inside()) == letters(TEXTS)).all()


def test_an_async_function_stays_in_one_loop():
    """The connections of a client belong to the loop that they were made in."""
    loops, threads = set(), set()

    async def embed(texts):
        loops.add(asyncio.get_running_loop())
        threads.add(threading.current_thread())
        return letters(texts)

    encoder = hybrid.FunctionEncoder(embed, "letters", 27)
    for _ in range(3):
        encoder.encode_documents(TEXTS)
    assert len(loops) == 1
    (thread,) = threads
    assert thread is not threading.main_thread()
    del encoder
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_a_plain_function_for_texts_and_an_async_one_for_questions():
    encoder = hybrid.FunctionEncoder(letters, "letters", 27, embed_queries=async_letters)
    assert (encoder.encode_queries(TEXTS).dense == encoder.encode_documents(TEXTS).dense).all()


@pytest.mark.parametrize("concurrency", [1, 3])
def test_calls_that_run_at_once(concurrency):
    running, most = 0, 0

    async def embed(texts):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return letters(texts)

    encoder = hybrid.FunctionEncoder(embed, "letters", 27, batch_size=1, concurrency=concurrency)
    assert encoder.at_once == concurrency
    assert (encoder.encode_documents(TEXTS).dense == letters(TEXTS)).all()
    assert most == concurrency


def test_one_failure_cancels_the_calls_beside_it():
    cancelled = []

    async def embed(texts):
        if texts[0] == TEXTS[1]:
            raise ConnectionError("the service is gone")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(texts[0])
            raise

    encoder = hybrid.FunctionEncoder(embed, "letters", 27, batch_size=1, concurrency=3)
    with pytest.raises(hybrid.EncoderError, match=r"texts 2 to 2 .* the service is gone"):
        encoder.encode_documents(TEXTS)
    assert sorted(cancelled) == sorted([TEXTS[0], TEXTS[2]])


def test_an_async_call_that_takes_too_long(clock):
    calls = []

    async def hanging(texts):
        calls.append(1)
        await asyncio.Event().wait()

    encoder = hybrid.FunctionEncoder(hanging, "slow", 27, timeout=0.001, retries=1)
    with pytest.raises(hybrid.EncoderError, match=r"after 2 tries .*: no answer within 0\.001 s"):
        encoder.encode_documents(TEXTS)
    assert len(calls) == 2
    assert len(delays(clock)) == 1


def test_a_client_that_gives_up_by_itself_is_not_taken_for_our_limit():
    def gives_up(texts):
        raise TimeoutError

    encoder = hybrid.FunctionEncoder(gives_up, "slow", 27)
    with pytest.raises(hybrid.EncoderError, match=r"after 1 try .*: TimeoutError"):
        encoder.encode_documents(TEXTS)


def test_retries_without_end(clock):
    embed = Failing(1100)
    encoder = hybrid.FunctionEncoder(embed, "letters", 27, retries=10**6)
    assert (encoder.encode_documents(TEXTS).dense == letters(TEXTS)).all()
    assert max(delays(clock)) <= 90


def test_calls_of_several_threads_share_one_pace(clock):
    moments = []

    def timed(texts):
        moments.append(clock.now())
        return letters(texts)

    encoder = hybrid.FunctionEncoder(timed, "letters", 27, batch_size=1, rate_limit=4)
    threads = [
        threading.Thread(target=encoder.encode_documents, args=(TEXTS,)),
        threading.Thread(target=encoder.encode_queries, args=(TEXTS,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 16
    assert encoder._calls._pace._next == pytest.approx(100 + 16 / 4)


def test_a_build_goes_on_after_a_call_that_took_too_long(tmp_path):
    hangs_on = "cat number 25"
    asked = []

    async def embed(texts):
        if hangs_on in texts:
            await asyncio.Event().wait()
        asked.extend(texts)
        return letters(texts)

    encoder = hybrid.FunctionEncoder(embed, "slow", 27, batch_size=10, timeout=0.001)
    documents = [hybrid.Document(str(n), f"cat number {n}") for n in range(40)]
    with hybrid.Retriever.create(tmp_path / "index", encoder=encoder) as retriever:
        with pytest.raises(hybrid.EncoderError, match=r"no answer within 0\.001 s") as raised:
            retriever.add(documents)
        assert "24 embeddings are kept" in raised.value.__notes__[0]  # with 4 canaries
        hangs_on, asked = None, []
        retriever.add(documents)
        assert asked == [f"cat number {n}" for n in range(20, 40)]
        assert retriever.search("cat number 39", k=1)[0].doc_id == "39"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"batch_size": 0}, "batch_size of at least 1, not 0"),
        ({"retries": -1}, "retries of at least 0, not -1"),
        ({"concurrency": 0}, "concurrency of at least 1, not 0"),
        ({"rate_limit": 0}, "rate_limit above 0, not 0"),
        ({"timeout": -2}, "timeout above 0, not -2"),
        ({"timeout": 5}, "an async function for timeout="),
        ({"concurrency": 2}, "an async function for timeout= and concurrency="),
    ],
)
def test_choices_that_make_no_sense(choices, message):
    with pytest.raises(ValueError, match=message):
        hybrid.FunctionEncoder(letters, "letters", 27, **choices)
