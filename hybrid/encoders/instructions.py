"""Which words a family of models wants before a question and before a passage."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_WEB_SEARCH = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)


@dataclass(frozen=True, slots=True)
class Instructions:
    """What is put before a text, by what the text is.

    Attributes
    ----------
    query, document : str
        Put before questions and chunks, with the space or colon that belongs to it; "" is nothing.
    pooled : bool
        Whether its tokens count in the vector of the text.  INSTRUCTOR only reads them [1]_.

    References
    ----------
    .. [1] Su et al., "One Embedder, Any Task: Instruction-Finetuned Text Embeddings",
       ACL Findings 2023.
    """

    query: str = ""
    document: str = ""
    pooled: bool = True


# From the model cards.  The first pattern that occurs in the model's name counts.
_FAMILIES = (
    (r"qwen3-embedding", Instructions(_WEB_SEARCH)),
    (r"(^|[-_])e5-.*instruct", Instructions(_WEB_SEARCH + " ")),
    (r"(^|[-_])e5-(small|base|large)", Instructions("query: ", "passage: ")),
    (
        r"bge-(small|base|large)-en",
        Instructions("Represent this sentence for searching relevant passages: "),
    ),
    (r"bge-(small|base|large)-zh", Instructions("为这个句子生成表示以用于检索相关文章：")),
    (
        r"(^|[-_])instructor-(base|large|xl)",
        Instructions(
            "Represent the question for retrieving supporting documents: ",
            "Represent the document for retrieval: ",
            pooled=False,
        ),
    ),
)


def of_family(name: str) -> Instructions:
    """Return the instructions of the family that a model belongs to by its name.

    Parameters
    ----------
    name : str
        Name on a model hub, or a folder, of which the last part counts, or that of the model where
        it is in the cache of Hugging Face.

    Returns
    -------
    Instructions
        Both "" for a family that wants none, or that is not known.
    """
    parts = Path(name.lower()).parts
    called = next((part for part in parts if part.startswith("models--")), parts[-1])
    for pattern, instructions in _FAMILIES:
        if re.search(pattern, called.replace("--", "-")):
            return instructions
    return Instructions()


def of_model(name: str, prompts: Mapping[str, str | None], default: str | None) -> Instructions:
    """Return the instructions of a sentence-transformers model.

    Those that it was published with, where there are any, or else those of its family.

    Parameters
    ----------
    name : str
        See `of_family`.
    prompts : mapping of str to str
        The prompts of the model, by name.
    default : str or None
        Name of the prompt that stands in for one that is missing.
    """
    if not any(prompts.values()):
        return of_family(name)
    otherwise = prompts.get(default or "") or ""
    found = {side: prompts.get(side) for side in ("document", "passage", "corpus", "query")}
    document = next((found[s] for s in ("document", "passage", "corpus") if found[s]), None)
    return Instructions(found["query"] or otherwise, document or otherwise)


def chosen(default: Instructions, query: str | None, document: str | None) -> Instructions:
    """Return the instructions with those replaced that the user gives; None is not given."""
    return Instructions(
        default.query if query is None else query,
        default.document if document is None else document,
        default.pooled,
    )
