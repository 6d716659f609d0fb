"""Writers that are killed at random instants leave what they committed, and nothing else.

The writer notes in a file, synced, what it is about to commit and what is committed.  Whoever opens
the folder after it was killed must find one of the two.
"""

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import hybrid
from hybrid import snapshot

_spawn = multiprocessing.get_context("forkserver")
WORDS = ["cat", "dog", "owl", "fox", "hen", "ant", "bee", "cow", "elk", "emu", "purr", "bark"]
WORDS += ["sing", "swim", "jump", "sleep"]
IDS = [f"d{number}" for number in range(40)]

Content = dict[str, str]
"""Texts by document id."""


def document(draw: random.Random, doc_id: str) -> hybrid.Document:
    """Return a document of some words."""
    words = draw.choices(WORDS, k=draw.randint(1, 30))
    return hybrid.Document(doc_id, " ".join(words), metadata={"words": words, "n": len(words)})


def vectors(texts: list[str]) -> list[list[float]]:
    """Embed by counts of the words: a pure function of each text."""
    return [[1.0, *(float(text.count(word)) for word in WORDS)] for text in texts]


def encoder() -> hybrid.FunctionEncoder:
    """Return the encoder of all indexes here."""
    return hybrid.FunctionEncoder(vectors, "words", len(WORDS) + 1)


def content_of(retriever: hybrid.Retriever) -> Content:
    """Return all documents, from the store; each is one chunk."""
    store = retriever._state.store
    return {chunk.doc_id: chunk.text for chunk in store.chunks(store.rows())}


def random_change(retriever: hybrid.Retriever, content: Content, draw: random.Random) -> None:
    """Add, replace and delete a few documents, in the index and in `content`."""
    some = draw.sample(IDS, draw.randint(1, 6))
    if draw.random() < 0.35:
        retriever.delete(some)
        for doc_id in some:
            content.pop(doc_id, None)
        return
    documents = [document(draw, doc_id) for doc_id in some]
    retriever.add(documents)
    content.update({one.doc_id: one.text for one in documents})


def write_forever(folder: Path, log: Path, seed: int) -> None:
    """Change and commit until killed; the log gets a line before and after each commit."""
    draw = random.Random(seed)
    with hybrid.Retriever.load(folder, encoder=encoder()) as retriever, log.open("a") as notes:

        def note(kind: str, content: Content) -> None:
            notes.write(json.dumps({"kind": kind, "content": content}) + "\n")
            notes.flush()
            os.fsync(notes.fileno())

        content = content_of(retriever)
        note("ready", content)
        while True:
            for _ in range(draw.randint(1, 3)):
                random_change(retriever, content, draw)
            if draw.random() < 0.1:
                retriever.search(" ".join(draw.choices(WORDS, k=2)))
            note("intent", content)
            retriever.commit()
            note("done", content)
            if draw.random() < 0.2:
                retriever.compact()


def noted(log: Path) -> list[Content]:
    """Return what may be in the folder: the content that was committed, or that was to be."""
    lines = []
    for line in log.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # the last line, cut short
            break
    last = max(place for place, line in enumerate(lines) if line["kind"] != "intent")
    return [line["content"] for line in lines[last:]]


@contextmanager
def child(folder: Path, log: Path, seed: int) -> Iterator[BaseProcess]:
    """Run `write_forever` in another process, which is ready when this begins."""
    _spawn.set_forkserver_preload(["bench.living_kill", "hybrid.retriever", "hybrid.indexing"])
    process = _spawn.Process(target=write_forever, args=(folder, log, seed))
    process.start()
    try:
        while not (log.exists() and log.stat().st_size) and process.is_alive():
            time.sleep(0.002)
        yield process
    finally:
        process.kill()
        process.join()


def problems(folder: Path, may_be: list[Content], draw: random.Random) -> list[str]:
    """Return what is wrong with a folder whose writer was killed; afterwards it has more in it."""
    found = []
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        content = content_of(opened)
        if content not in may_be:
            found.append(f"the content is none of the {len(may_be)} that were committed")
        found += differences(opened, content, draw)
        found += opened._state.store.differing_columns()
        random_change(opened, content, draw)
        opened.commit()
        if snapshot.leftovers(folder):
            found.append(f"left over: {snapshot.leftovers(folder)}")
    return found + snapshot.verify(folder)


def differences(
    opened: hybrid.Retriever, content: Mapping[str, str], draw: random.Random
) -> list[str]:
    """Return which questions have other answers than in a fresh index of the same documents."""
    store = opened._state.store
    order = store.doc_ids(store.rows().tolist())
    with hybrid.Retriever.create(encoder=encoder(), analyzer="english") as fresh:
        fresh.add(hybrid.Document(doc_id, content[doc_id]) for doc_id in order)
        questions = [" ".join(draw.choices(WORDS, k=2)) for _ in range(3)]
        wrong = [one for one in questions if answer(fresh, one) != answer(opened, one)]
    return [f"another answer for {question!r} than a fresh index" for question in wrong]


def answer(retriever: hybrid.Retriever, question: str) -> list[tuple[str, float]]:
    """Return ids and scores of all hits."""
    return [(hit.doc_id, hit.score) for hit in retriever.search(question, k=len(IDS))]


def kill(folder: Path, times: int, seed: int, longest_s: float) -> dict[str, Any]:
    """Kill a writer many times and return what was found.

    Parameters
    ----------
    folder : Path
        For the index and the log of its writers.
    times : int
    seed : int
    longest_s : float
        Most seconds that a writer lives once it is ready.
    """
    index, draw = folder / "index", random.Random(seed)
    if not index.exists():
        with hybrid.Retriever.create(index, encoder=encoder(), analyzer="english") as made:
            made.add([document(draw, doc_id) for doc_id in IDS[:10]])
            made.commit()
    wrong: list[str] = []
    commits = in_flight = cleaned = 0
    for number in range(times):
        log = folder / f"log-{number}"
        with child(index, log, seed * 100_003 + number) as process:
            time.sleep(draw.uniform(0, longest_s))
            process.kill()
            process.join()
        if process.exitcode != -signal.SIGKILL:
            wrong.append(f"kill {number}: the writer had stopped: {process.exitcode}")
        may_be = noted(log)
        kinds = [line.count('"kind": "done"') for line in log.read_text().splitlines()]
        commits, in_flight = commits + sum(kinds), in_flight + (len(may_be) > 1)
        cleaned += bool(snapshot.leftovers(index))
        wrong += [f"kill {number}: {one}" for one in problems(index, may_be, draw)]
        log.unlink()
    return {
        "kills": times,
        "commits": commits,
        "killed_in_a_commit": in_flight,
        "left_something": cleaned,
        "generation": snapshot.newest(index),
        "problems": wrong,
    }
