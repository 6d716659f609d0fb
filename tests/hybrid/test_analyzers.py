"""Analyzers by name, by content, by field, and as they were stored."""

import json

import pytest
from click.testing import CliRunner

import hybrid
from hybrid import Analyzer, AnalyzerMismatch, CodeAnalyzer, FieldAnalyzer
from hybrid import analysis as prose_module
from hybrid import code_analysis as code_module
from hybrid.analyzers import as_analyzer, detected, from_settings, reopen
from hybrid.cli import main
from hybrid.stored_chunks import indexed_text
from tests.hybrid.test_code_detection import CODE

ANALYZERS = [
    Analyzer(),
    Analyzer(latin="german"),
    CodeAnalyzer(),
    CodeAnalyzer(Analyzer(latin=None)),
    FieldAnalyzer(Analyzer(latin="german"), CodeAnalyzer()),
]


def stored(analyzer):
    return json.loads(json.dumps(analyzer.settings()))


def test_names():
    assert as_analyzer("german") == Analyzer(latin="german")
    assert as_analyzer("code") == CodeAnalyzer()
    assert as_analyzer(CodeAnalyzer()) == CodeAnalyzer()
    with pytest.raises(ValueError, match=r"'code' or 'jieba'; or .* not 'klingon'"):
        as_analyzer("klingon")


def test_fields():
    chosen = as_analyzer({"title": "english", "text": "code"})
    assert chosen == FieldAnalyzer(Analyzer(), CodeAnalyzer())
    with pytest.raises(ValueError, match="each of the fields title and text, not for body"):
        as_analyzer({"body": "code"})


def test_code_is_detected_and_else_the_language():
    assert detected(CODE.values()) == CodeAnalyzer()
    german = "der Hund und die Katze sind nicht in dem Haus, das ist gut " * 5
    assert detected([german]) == Analyzer(latin="german")
    assert detected([]) == Analyzer()


def test_titles_do_not_count_when_code_is_detected():
    """Such as "Sky_(United_Kingdom)" over one line of text."""
    texts = [indexed_text("call(it_this)", "The cat sat on the mat.")] * 9
    assert detected(texts) == Analyzer()


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_stored_settings_give_the_analyzer_again(analyzer):
    assert from_settings(stored(analyzer)) == analyzer
    assert reopen(stored(analyzer), None) == analyzer
    assert reopen(stored(analyzer), analyzer) is analyzer


@pytest.mark.parametrize("given", ANALYZERS)
@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_any_other_analyzer_is_refused(analyzer, given):
    if given != analyzer:
        with pytest.raises(AnalyzerMismatch, match="they differ in"):
            reopen(stored(analyzer), given)


def test_what_differs_is_named_within_nested_settings():
    with pytest.raises(AnalyzerMismatch, match=r"text\.prose\.latin: index 'english', given None"):
        reopen(
            stored(FieldAnalyzer(Analyzer(), CodeAnalyzer())),
            FieldAnalyzer(Analyzer(), CodeAnalyzer(Analyzer(latin=None))),
        )


@pytest.mark.parametrize(
    ("module", "analyzer"), [(prose_module, Analyzer()), (code_module, CodeAnalyzer())]
)
def test_other_terms_under_the_same_settings_are_noticed(monkeypatch, module, analyzer):
    """As after an update of the stemmer."""
    before = stored(analyzer)
    monkeypatch.setattr(module, "_CANARY", "other words")
    with pytest.raises(AnalyzerMismatch, match="canary"):
        reopen(before, None)


def test_a_change_to_any_abbreviation_is_noticed(monkeypatch):
    before = stored(CodeAnalyzer())
    monkeypatch.setitem(code_module.FULL, "stmt", ("steam",))
    with pytest.raises(AnalyzerMismatch, match="canary"):
        reopen(before, None)


def test_an_analyzer_of_the_users_own_must_be_given():
    with pytest.raises(AnalyzerMismatch, match="'mine' that the index was built with: open"):
        reopen({"name": "mine"}, None)


def test_each_field_has_its_analyzer():
    analyzer = FieldAnalyzer(title=Analyzer(latin="german"), text=CodeAnalyzer())
    both = indexed_text("laufende Hunde", "runningDogs")
    assert analyzer.terms(both) == ["laufend", "hund", "run", "dog", "runningdog"]
    assert [both[span.start : span.end] for span in analyzer.spans(both)] == [
        *("laufende", "Hunde", "running", "Dogs", "runningDogs")
    ]
    assert analyzer.batch([both, "x"]).lists() == [analyzer.terms(both), ["x"]]


def test_a_question_has_the_terms_of_both_fields_once():
    analyzer = FieldAnalyzer(title=Analyzer(latin="german"), text=CodeAnalyzer())
    terms = analyzer.query_terms("running running python dog")
    assert sorted(terms) == ["dog", "python", "run", "run", "running", "running"]


def test_an_index_keeps_its_analyzers(tmp_path):
    choice = {"title": "german", "text": "code"}
    with hybrid.Retriever.create(tmp_path / "index", encoder=None, analyzer=choice) as made:
        made.add([hybrid.Document("a", "def getName(self): ...", "Laufende Hunde")])
        made.add([hybrid.Document("b", "def setSize(self): ...", "Schlafende Katzen")])
        made.commit()
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert opened.analyzer == as_analyzer(choice)
        assert [hit.doc_id for hit in opened.search("laufender Hund")] == ["a"]
        assert [hit.doc_id for hit in opened.search("set the sizes")] == ["b"]
    with pytest.raises(AnalyzerMismatch, match="name: index 'fields', given 'code'"):
        hybrid.Retriever.load(tmp_path / "index", analyzer=CodeAnalyzer())


def test_code_is_detected_when_it_is_added():
    with hybrid.Retriever.from_texts(CODE.values(), encoder=None) as retriever:
        assert retriever.analyzer == CodeAnalyzer()


@pytest.mark.parametrize(
    ("options", "name"), [([], "code"), (["--analyzer", "english"], "default")]
)
def test_the_command_takes_an_analyzer(tmp_path, options, name):
    (tmp_path / "main.java").write_text(CODE["java"])
    (tmp_path / "main.py").write_text(CODE["python"])
    out = str(tmp_path / ".index")
    done = CliRunner().invoke(main, ["index", str(tmp_path), out, "--encoder", "none", *options])
    assert done.exit_code == 0, done.output
    with hybrid.Retriever.load(out) as opened:
        assert opened.analyzer.settings()["name"] == name


def test_the_command_takes_one_of_analyzer_and_language(tmp_path):
    (tmp_path / "a.txt").write_text("a cat")
    options = ["--analyzer", "code", "--language", "german"]
    done = CliRunner().invoke(main, ["index", str(tmp_path), str(tmp_path / ".i"), *options])
    assert done.exit_code != 0
    assert "either --analyzer or --language" in done.output
