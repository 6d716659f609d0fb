"""Context never exceeds its budget and accounts for every hit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.context import build_context, estimate_tokens
from hybrid.results import Hit


def hit(rank, text, title=""):
    return Hit(rank, 1 / rank, f"d{rank}#0", f"d{rank}", text, title, {}, 0, len(text), {}, rank)


texts = st.lists(st.text(st.sampled_from("ab 猫\n"), min_size=1, max_size=80), max_size=8)


@given(texts=texts, budget=st.integers(1, 120))
def test_budget_and_receipt(texts, budget):
    hits = [hit(rank, text) for rank, text in enumerate(texts, 1)]
    context = build_context(hits, budget)
    assert estimate_tokens(context.text) == context.receipt.tokens <= budget
    accounted = {*context.receipt.included, *context.receipt.dropped}
    assert accounted == {one.chunk_id for one in hits}
    for citation in context.citations:
        assert f"[{citation.number}] {citation.chunk_id}" in context.text


def test_sources_are_numbered_in_order():
    context = build_context([hit(1, "Cats purr.", "On cats"), hit(2, "Dogs bark.")], 100)
    assert str(context) == "[1] On cats (d1#0)\nCats purr.\n\n[2] d2#0\nDogs bark."
    assert [citation.doc_id for citation in context.citations] == ["d1", "d2"]


def test_a_hit_that_does_not_fit_leaves_room_for_a_smaller_one():
    context = build_context([hit(1, "x" * 1000), hit(2, "small")], 20)
    assert context.receipt.included == ("d2#0",)
    assert context.receipt.dropped == ("d1#0",)


def test_the_reader_s_own_tokenizer_counts():
    context = build_context([hit(1, "one two"), hit(2, "three")], 4, lambda t: len(t.split()))
    assert context.receipt.included == ("d1#0",)
    assert context.receipt.tokens == 4


def test_a_budget_below_one_is_refused():
    with pytest.raises(ValueError, match="max_tokens of at least 1, not 0"):
        build_context([], 0)


def test_chinese_counts_a_token_a_character():
    assert estimate_tokens("猫咪打呼噜") == 5
    assert estimate_tokens("abcdefgh") == 2
