"""The cases of `bench.fuzz`: one change each, and what is then done with the index."""

import hashlib
import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import hybrid
from bench.mutations import changed, mutated
from hybrid.documents import ReadReport
from hybrid.encoders.base import Embeddings
from hybrid.errors import HybridError
from hybrid.readers import open_source
from hybrid.verifying import verify
from indexes.multivector import TokenVectors

WORDS = [
    "cat",
    "dog",
    "purr",
    "bark",
    "sleep",
    "warm",
    "fox",
    "wood",
    "hound",
    "scent",
    "kitten",
    "friend",
    "tail",
    "why",
    "ä",
    "猫",
    "λ",
]
KINDS: dict[str, Any] = {
    "bm25": None,
    "lsa": "lsa",
    "flat": {},
    "float16": {"storage": "float16"},
    "int8": {"storage": "int8", "metric": "l2"},
    "hnsw": {"kind": "hnsw"},
    "ivf": {"kind": "ivf"},
    "ivf-pq": {"kind": "ivf-pq", "metric": "ip"},
    "parts": {},
}
_LISTED = 4_100  # rows from which on there are lists
_QUESTIONS = ["why do cats purr", "dog bark tail", "cat " * 20, "unheard 猫"]
_PATIENT = 0.15  # share of cases in which the manifest does not know of the change


def letters(texts: Any) -> np.ndarray:
    """Embed by letter counts."""
    vectors = np.ones((len(texts), 12), np.float32)
    for row, text in enumerate(texts):
        for character in text:
            vectors[row, ord(character) % 12] += 1
    return vectors


class Parts:
    """An encoder that makes all there is."""

    dimension = 12

    def encode_documents(self, texts: Any) -> Embeddings:
        """Encode texts."""
        words = [text.split() or ["?"] for text in texts]
        numbers = [[zlib.crc32(word.encode()) % 300 for word in found] for found in words]
        table = sp.lil_matrix((len(words), 300), dtype=np.float32)
        for row, found in enumerate(numbers):
            table[row, found] = 0.5
        tokens = np.concatenate([letters(found) for found in words])
        offsets = np.cumsum([0, *map(len, words)])
        return Embeddings(letters(texts), sp.csr_matrix(table), TokenVectors(tokens, offsets))

    encode_queries = encode_documents

    def fingerprint(self) -> dict[str, Any]:
        """Return what it is."""
        return {"kind": "parts", "name": "parts"}


def encoder_of(kind: str) -> Any:
    """Return the encoder of an index of a kind."""
    if kind in ("bm25", "lsa"):
        return KINDS[kind]
    return Parts() if kind == "parts" else hybrid.FunctionEncoder(letters, "letters", 12)


def built(folder: Path, kind: str) -> None:
    """Save a small index of a kind, with some documents deleted."""
    rng = np.random.default_rng(0)
    count = _LISTED if kind.startswith("ivf") else 60
    documents = [
        hybrid.Document(f"d{n}", " ".join(rng.choice(WORDS, 6)), metadata={"n": n, "even": n % 2})
        for n in range(count)
    ]
    choices = KINDS[kind] or {}
    dense = hybrid.Dense(**choices) if isinstance(choices, dict) else hybrid.Dense()
    with hybrid.Retriever.create(
        folder, encoder=encoder_of(kind), dense=dense, analyzer="english", cache=False
    ) as retriever:
        retriever.add(documents)
        retriever.commit()
        retriever.delete(["d1", "d5"])
        retriever.add([hybrid.Document("late", "a late fox " + "long " * 40)])
        retriever.commit()


class Files:
    """Cases of damaged files."""

    declared = (HybridError, OSError)

    def __init__(self, work: Path, kinds: tuple[str, ...] = tuple(KINDS)) -> None:
        self.folders = {kind: work / kind for kind in kinds}
        for kind, folder in self.folders.items():
            if not (folder / "manifest.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
                built(folder, kind)
        self.sound = {
            kind: {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in sorted(folder.rglob("*"))
                if path.is_file() and path.name not in ("store.db-shm", "store.db-wal")
            }
            for kind, folder in self.folders.items()
        }
        self.kind = kinds[0]

    def prepare(self, seed: int, case: int) -> str:
        """Change one file, and say which."""
        self.rng = rng = np.random.default_rng([seed, case])
        self.kind = list(self.folders)[int(rng.integers(len(self.folders)))]
        files = {name: data for name, data in self.sound[self.kind].items() if "lock" not in name}
        names = list(files)
        name = names[int(rng.integers(len(names)))]
        content = mutated(files[name], name, rng, [files[names[int(rng.integers(len(names)))]]])
        self._replace(name, content)
        if name.startswith("gen-") and rng.random() > _PATIENT:
            manifest = json.loads(files["manifest.json"])
            digest = hashlib.sha256(content).hexdigest()
            manifest["files"][name] = {"bytes": len(content), "sha256": digest}
            self._replace("manifest.json", json.dumps(manifest).encode())
        return f"{self.kind}/{name}"

    def run(self) -> str:
        """Open the index, search, add, search again and verify."""
        folder = self.folders[self.kind]
        encoder = None if self.kind in ("bm25", "lsa") else encoder_of(self.kind)
        try:
            with hybrid.Retriever.load(folder, encoder=encoder) as retriever:
                _ask(retriever)
                if self.rng.random() < 0.3:
                    retriever.delete([f"d{n}" for n in range(10, 30)])
                    retriever.add([hybrid.Document("new", "a new cat purrs at the fox")])
                    _ask(retriever)
        finally:
            if self.rng.random() < 0.3:
                verify(folder, encoder=encoder, deep=self.rng.random() < 0.3)
        return "answered"

    def restore(self) -> None:
        """Put back what was changed."""
        folder, sound = self.folders[self.kind], self.sound[self.kind]
        for path in sorted(folder.rglob("*"), reverse=True):
            name = path.relative_to(folder).as_posix()
            if not path.is_dir() and (name not in sound or path.read_bytes() != sound[name]):
                path.unlink()
        for name, content in sound.items():
            if not (folder / name).exists():
                self._replace(name, content)

    def _replace(self, name: str, content: bytes) -> None:
        # never in place: an index of a case before may still be mapped
        path = self.folders[self.kind] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".fresh")
        fresh.write_bytes(content)
        os.replace(fresh, path)


def _ask(retriever: hybrid.Retriever) -> None:
    retriever.search_many(_QUESTIONS, k=7)
    retriever.search("cat fox", k=100)
    retriever.search("dog", k=5, filter={"even": 1})
    retriever.explain("cat purr", k=3)


class Inputs:
    """Cases of hostile documents, filters, questions and files to read."""

    declared = (HybridError, ValueError, OSError, TypeError)

    def __init__(self, work: Path) -> None:
        self.work = work / "inputs"
        self.work.mkdir(parents=True, exist_ok=True)
        self.retrievers: list[hybrid.Retriever] = []
        self._renew()

    def prepare(self, seed: int, case: int) -> str:
        """Choose what is done."""
        self.rng = rng = np.random.default_rng([seed, case])
        if case % 500 == 499:
            self._renew()
        self.way = ("document", "filter", "question", "file")[int(rng.integers(4))]
        return self.way

    def run(self) -> str:
        """Do it; an error of no class of ours must at least say what was expected."""
        retriever = self.retrievers[int(self.rng.integers(len(self.retrievers)))]
        try:
            return str(getattr(self, f"_{self.way}")(retriever))
        except (TypeError, ValueError) as error:
            if "expected" in str(error):
                raise
            raise AssertionError("an error that does not say what was expected") from error

    def restore(self) -> None:
        """Leave no file behind."""
        for path in self.work.iterdir():
            path.unlink()

    def _document(self, retriever: hybrid.Retriever) -> str:
        metadata: Any = {"n": 1, "tags": ["a", "b"], "deep": {"x": [1, {"y": "z"}]}}
        for _ in range(int(self.rng.integers(3))):
            metadata = changed(metadata, self.rng)
        doc_id: Any = self._text(12) if self.rng.random() < 0.9 else changed("x", self.rng)
        kind = str(self.rng.choice(["text", "markdown", "python", "html", "?"]))
        text: Any = self._text(400) if self.rng.random() < 0.95 else changed("x", self.rng)
        retriever.add([hybrid.Document(doc_id, text, self._text(20), metadata, kind)])
        for hit in retriever.search(text[:80] or "x", k=3):
            hit.text.encode()
        return "added"

    def _filter(self, retriever: hybrid.Retriever) -> str:
        base: list[Any] = [
            {"n": {"$gte": 1, "$lt": 5}}, {"$or": [{"n": 1}, {"$not": {"tags": "a"}}]},
            {"deep.x": {"$exists": True}}, {"tags": {"$in": ["a", "c"]}}, {"n": {"$ne": None}},
            {"' OR 1=1 --": {"$nin": ["'; DROP TABLE documents; --"]}},
        ]  # fmt: skip
        condition = base[int(self.rng.integers(len(base)))]
        for _ in range(int(self.rng.integers(5))):
            condition = changed(condition, self.rng)
        if self.rng.random() < 0.03:
            for _ in range(3000):
                condition = {"$not": condition}
        retriever.search("cat", k=3, filter=condition)
        return "filtered"

    def _question(self, retriever: hybrid.Retriever) -> str:
        retriever.search(self._text(200), k=int(self.rng.integers(1, 50)))
        return "asked"

    def _file(self, retriever: hybrid.Retriever) -> str:
        suffixes = [
            "txt",
            "md",
            "html",
            "json",
            "jsonl",
            "csv",
            "tsv",
            "py",
            "rst",
            "org",
            "xhtml",
            "mdx",
            "adoc",
            "ipynb",
        ]
        suffix = suffixes[int(self.rng.integers(len(suffixes)))]
        sample = _SAMPLES.get(suffix, self._text(300).encode("utf-8", "surrogatepass"))
        content = mutated(sample, f"x.{suffix}", self.rng, [self.rng.bytes(300)])
        file = self.work / f"x.{suffix}"
        file.write_bytes(content)
        report = ReadReport()
        documents = list(open_source(self.work, report=report))
        if not documents and not report.skipped:
            raise AssertionError("a file vanished without a note")
        return "read" if documents else "skipped"

    def _text(self, most: int) -> str:
        rng, size = self.rng, int(self.rng.integers(most))
        way = rng.integers(4)
        if way == 0:
            return " ".join(rng.choice(WORDS, size // 5 + 1))
        if way == 1:
            return rng.bytes(size).decode("latin-1")
        if way == 2:
            return "".join(map(chr, rng.integers(0x110000, size=size)))  # surrogates, too
        odd = [
            "\x00",
            "\u202e",
            "\ufeff",
            "ﬀ",
            "İ",
            "ß",
            "a" * 300,
            "\r\n",
            "'\"`;--",
            "👩‍👩‍👧",
            "\u0300" * 9,
        ]
        return "".join(rng.choice(odd, size // 10 + 1))

    def _renew(self) -> None:
        for retriever in self.retrievers:
            retriever.close()
        texts = [" ".join(WORDS[n : n + 5]) for n in range(12)]
        metadata = [{"n": n, "tags": ["a"], "deep": {"x": n}} for n in range(12)]
        self.retrievers = [
            hybrid.Retriever.from_texts(texts, metadata=metadata, encoder=encoder_of(kind))
            for kind in ("bm25", "parts")
        ]


_SAMPLES = {
    "json": b'[{"id": "a", "text": "cats", "deep": [1, {"x": null}]}, {"id": "b", "text": "dogs"}]',
    "jsonl": b'{"id": "a", "text": "cats purr"}\n{"id": "b", "text": "dogs", "n": 3}\n',
    "csv": b'id,title,text\na,"cats, and ""more""",purr\nb,dogs,bark\n',
    "tsv": b"id\ttitle\ttext\na\tcats\tpurr\n",
    "html": b"<html><title>t</title><body><p>cats<div><table><tr><td>purr</table><br/>&amp;",
}
