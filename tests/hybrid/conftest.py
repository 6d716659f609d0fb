"""A small world that several tests share."""

import numpy as np
import pytest

import hybrid

TEXTS = [
    "Cats purr when they are content, and sometimes when they are hurt.",
    "Dogs bark at strangers and wag their tails at friends.",
    "The kitten slept on the warm windowsill all afternoon.",
    "Purring helps cats to calm down and to heal their bones.",
    "A hound follows the scent of a fox through the wood.",
    "猫咪为什么会打呼噜？因为它们感到满足。",
    "狗会向陌生人吠叫。",
    "แมวร้องเพราะมันหิว",
]


def letters(texts):
    """Embed by letter counts: crude, but a pure function of each text."""
    vectors = np.zeros((len(texts), 27), np.float32)
    for row, text in enumerate(texts):
        for character in text.lower():
            vectors[row, (ord(character) - 96) if "a" <= character <= "z" else 0] += 1
        vectors[row, 0] += 1
    return vectors


@pytest.fixture
def encoder():
    return hybrid.FunctionEncoder(letters, "letters", 27)


@pytest.fixture
def retriever(encoder):
    with hybrid.Retriever.from_texts(
        TEXTS,
        ids=[f"d{number}" for number in range(len(TEXTS))],
        metadata=[{"n": number, "lang": "en" if number < 5 else "other"} for number in range(8)],
        titles=["purring", *[""] * 7],
        encoder=encoder,
    ) as made:
        yield made
