import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from hybrid.benchmark import report_tables as tables
from hybrid.benchmark.failures import find_failures
from hybrid.benchmark.findings import findings_of, lead, p_in_words, signed
from hybrid.benchmark.plots import plots_of, shown_ways
from hybrid.benchmark.report import write_report
from hybrid.errors import MissingDependency
from hybrid.significance import compare
from tests.hybrid.made_up_results import HOSTILE, by_chance, result, way, weight_curve


@pytest.fixture(scope="module")
def made():
    return by_chance()


def words(table):
    return [[cell.text for cell in row] for _, rows in table.groups for row in rows]


def test_sentences_say_what_the_figures_are(made):
    found = findings_of(made)
    comparison = found.of("default")
    text = " ".join(found.sentences)
    assert f"nDCG@10 {made.way('default').mean('nDCG@10'):.3f}" in text
    assert f"{comparison.difference:.3f} above {found.base}" in text
    assert p_in_words(comparison.p_holm) in text
    assert f"answers {comparison.better} questions better than {found.base}" in text
    assert "4.00 ms (median)" in text
    assert lead([made], [found]) == list(found.sentences)


def test_sentences_tell_gain_loss_and_chance_apart():
    qrels = {f"q{n}": {"a": 1} for n in range(40)}
    first, second = {q: ["a", "x"] for q in qrels}, {q: ["x", "a"] for q in qrels}

    def said(index, fused):
        ways = {("bm25", "index"): index, ("dense", "index"): second, ("default", "fusion"): fused}
        return findings_of(result(ways, qrels)).sentences[0]

    assert "above bm25" in said(second, first)
    assert "more than chance" in said(second, first)
    assert "below bm25" in said(first, second)
    assert "may be chance" in said(first, {**first, "q0": ["x", "a"]})
    assert "as much as bm25" in said(first, first)


def test_sentences_of_a_lone_index_and_without_a_fusion():
    qrels = {"q": {"a": 1}}
    alone = {("bm25", "index"): {"q": ["a"]}}
    (said,) = findings_of(result({**alone, ("default", "fusion"): {"q": ["a"]}}, qrels)).sentences
    assert "there is no other index to fuse" in said
    (said,) = findings_of(result(alone, qrels)).sentences
    assert said == "On made-up (1 question) bm25, the best index alone, has nDCG@10 1.000."


def test_lead_of_several_collections_counts_them(made):
    other = by_chance(seed=1, collection="other")
    both = [findings_of(made), findings_of(other)]
    gains = [found.of("default").difference for found in both]
    text = " ".join(lead([made, other], both))
    assert f"On {sum(g > 0 for g in gains)} of 2 collections" in text
    assert signed(sum(gains) / 2) in text


def test_marks_are_those_of_corrected_comparisons(made):
    found = findings_of(made)
    base = made.best_index("R@10").name
    compared = compare({way.name: way.measures["R@10"] for way in made.ways}, base)
    expected = {
        each.name: 1 if each.difference > 0 else -1 for each in compared if each.p_holm < 0.05
    }
    assert found.marks["R@10"] == expected


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0314, "+0.031"), (-0.2, "−0.200"), (-0.0001, "0.000"), (0.0, "0.000")]
)
def test_differences_are_signed(value, shown):
    assert signed(value) == shown


def test_measures_table_marks_the_best_of_each_column(made):
    table = tables.measures_table(made, findings_of(made))
    for column, measure in enumerate(table.head[1:], start=1):
        best = max(made.ways, key=lambda way: way.mean(measure))
        marked = [row[0].text for _, rows in table.groups for row in rows if row[column].best]
        assert marked == [best.name]
    assert [title for title, _ in table.groups] == ["indexes alone", "fusions", "other engines"]


def test_tables_without_numbers_are_left_out(made):
    untimed = replace(made, ways=tuple(replace(way, latency=None) for way in made.ways))
    assert tables.latency_table(untimed) is None
    assert tables.near_table(made) is None
    near = (replace(made.ways[0], ann_recall={10: 0.987, 100: 0.95}), *made.ways[1:])
    assert words(tables.near_table(replace(made, ways=near))) == [["bm25", "0.9870", "0.9500"]]


def test_manifest_is_shown_flat():
    shown = tables.manifest_table({"versions": {"numpy": "2.4", "none": None}, "args": ["a", 1]})
    assert words(shown) == [
        ["versions.numpy", "2.4"],
        ["versions.none", "null"],
        ["args", '["a", 1]'],
    ]


def test_failure_tables_show_every_question_once(made):
    pytest.importorskip("ir_measures")
    found_by, *_ = tables.failure_tables(find_failures(made))
    assert sum(int(row[1]) for row in words(found_by)) == len(made.queries)
    assert sum(int(row[3]) for row in words(found_by)) == len(made.queries)


def test_shown_ways_are_indexes_default_rrf_best_and_peers(made):
    assert [each.name for each in shown_ways(made)] == [
        "bm25", "dense", "rrf", "default", "another engine",
    ]  # fmt: skip
    perfect = way(
        "anz", "fusion", {q: list(grades) for q, grades in made.qrels.items()}, made.qrels
    )
    names = [each.name for each in shown_ways(replace(made, ways=(*made.ways, perfect)))]
    assert "anz" in names
    assert "mnz" not in names


class Page(HTMLParser):
    """What a page has: its tags, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    for package in ("matplotlib", "jinja2", "ir_measures"):
        pytest.importorskip(package)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        [made],
        {"command": HOSTILE},
        path,
        failures={made.collection: find_failures(made)},
        curves={made.collection: weight_curve()},
    )
    return path.read_text("utf-8")


def test_page_begins_with_what_was_found(made, page):
    text = " ".join("".join(Page(page[page.index("<body>") :]).text).split())
    assert text.startswith("Recall of made-up On made-up (40 questions) the default fusion has")


def test_hostile_text_stays_text(page):
    parsed = Page(page)
    tags = [tag for tag, _ in parsed.tags]
    assert "script" not in tags
    assert tags.count("svg") == 5
    assert any("<script>alert(1)</script>" in text for text in parsed.text)
    assert "{{ 7 * 7 }}" in "".join(parsed.text)


def test_page_needs_nothing_else(page):
    for _, attributes in Page(page).tags:
        assert "src" not in attributes
        href = attributes.get("href", attributes.get("xlink:href", "#"))
        assert href.startswith(("#", "data:"))
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) == {"#"}


def test_page_is_accessible(page):
    tags = Page(page).tags
    assert all(a.get("scope") in ("col", "row", "rowgroup") for tag, a in tags if tag == "th")
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert set(attributes["aria-labelledby"].split()) <= set(ids)


def test_same_input_same_bytes(made, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    for name in ("a", "b"):
        write_report([made], {}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_plots_are_whole_and_tell_what_they_show(made):
    pytest.importorskip("matplotlib")
    plots = plots_of(made, "p", weight_curve())
    assert [plot.title for plot in plots] == [
        "Recall against k",
        "Precision against recall, 11 points",
        "Recall against time",
        f"Gain of each question over {made.best_index().name}",
        "Fusion by the weight of dense",
    ]
    for plot in plots:
        root = ElementTree.fromstring(plot.svg)
        assert root.get("viewBox")
        assert re.findall(r"#0000\d\d|#0001\d\d", plot.svg) == []
    markers = [
        node for node in ElementTree.fromstring(plots[2].svg).iter() if node.get("clip-path")
    ]
    # on the plot of times, each way is one marker inside the axes
    inside = [node for node in markers if node.tag.endswith("g") and len(node)]
    assert sum(len(group.findall("{*}use")) for group in inside) == len(shown_ways(made))
    assert f"bm25 {made.way('bm25').mean('R@10'):.3f} at 10" in plots[0].text


def test_plots_that_lack_numbers_are_left_out():
    pytest.importorskip("matplotlib")
    lone = result({("_<b>$1$", "index"): {"q": ["a"]}}, {"q": {"a": 1}})
    lone = replace(lone, ways=tuple(replace(way, latency=None) for way in lone.ways))
    plots = plots_of(lone, "p")
    assert [plot.title for plot in plots] == plots_titles(2)
    assert "_&lt;b&gt;$1$" in plots[0].svg


def plots_titles(number):
    return ["Recall against k", "Precision against recall, 11 points"][:number]


def test_many_questions_make_no_larger_plot():
    pytest.importorskip("matplotlib")
    sizes = []
    for queries in (500, 3_000):
        qrels = {f"q{n}": {"a": 1} for n in range(queries)}
        rng = np.random.default_rng(0)
        lists = {q: ["a", "x"] if rng.random() < 0.5 else ["x", "a"] for q in qrels}
        ways = {("bm25", "index"): {q: ["x", "a"] for q in qrels}, ("default", "fusion"): lists}
        sizes.append(len(plots_of(result(ways, qrels), "p")[-1].svg))
    assert sizes[1] < 1.1 * sizes[0]


def test_half_a_surrogate_pair_is_written(made, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    write_report([made], {"note": "broken \ud800 text"}, tmp_path / "report.html")
    assert "broken ? text" in (tmp_path / "report.html").read_text("utf-8")


def test_refuses_failures_of_no_collection_or_of_two(made, tmp_path):
    pytest.importorskip("jinja2")
    with pytest.raises(ValueError, match="at least one result"):
        write_report([], {}, tmp_path / "report.html")
    with pytest.raises(ValueError, match=r"'other' to be the collection of one result.*of 0"):
        write_report([made], {}, tmp_path / "report.html", failures={"other": None})
    with pytest.raises(ValueError, match="of 2: there are made-up, made-up"):
        write_report([made, made], {}, tmp_path / "r", curves={made.collection: None})


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_says_what_to_install(made, tmp_path, monkeypatch, package):
    if package == "matplotlib":
        pytest.importorskip("jinja2")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf"{package}.*hybrid-retrieval\[bench\]"):
        write_report([made], {}, tmp_path / "report.html")
