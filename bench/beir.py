"""Collections in BEIR layout as whole documents: their texts, questions, judgements, terms."""

from dataclasses import dataclass
from pathlib import Path

from hybrid.analyzers import as_analyzer, detected
from hybrid.documents import ReadReport
from hybrid.judgements import read_beir_queries, read_qrels
from hybrid.readers import read_beir
from hybrid.stored_chunks import indexed_text
from hybrid.text_analyzer import TextAnalyzer


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection in memory.

    Attributes
    ----------
    texts : dict of str to str
        Title and text of each document, by id.
    queries : dict of str to str
        The judged test queries, by id.
    qrels : dict of str to dict of str to int
        Relevance by query and document.
    """

    name: str
    texts: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path) -> "Collection":
        """Read a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv."""
        documents = read_beir(folder, report=ReadReport())
        texts: dict[str, str] = {doc.doc_id: indexed_text(doc.title, doc.text) for doc in documents}
        qrels = read_qrels(folder / "qrels" / "test.tsv")
        asked = read_beir_queries(folder)
        queries = {name: text for name, text in asked.items() if name in qrels}
        return cls(folder.name, texts, queries, qrels)


def analyzer_named(name: str, collection: Collection) -> TextAnalyzer:
    """Return an analyzer by name, as in Retriever.create."""
    return detected(collection.texts.values()) if name == "auto" else as_analyzer(name)
