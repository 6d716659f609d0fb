import pytest

from hybrid.benchmark.failures import find_failures
from hybrid.benchmark.report import write_report
from tests.hybrid.browser import CHROMIUM, Browser
from tests.hybrid.made_up_results import HOSTILE, by_chance, weight_curve

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}")
for _package in ("matplotlib", "jinja2", "ir_measures"):
    pytest.importorskip(_package)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    results = [by_chance(collection="first"), by_chance(seed=1, collection="x" * 90)]
    path = tmp_path_factory.mktemp("report") / "report.html"
    failures = {result.collection: find_failures(result) for result in results}
    write_report(
        results,
        {"command": HOSTILE * 5, "sha256": "0f" * 400},
        path,
        failures=failures,
        curves={"first": weight_curve()},
    )
    return path


@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_shows_its_plots_and_complains_of_nothing(browser, page, width):
    browser.open(page, width)
    assert browser.value("window.innerWidth") == width
    for shown in ("false", "true"):
        browser.value(f"document.querySelectorAll('details').forEach(d => d.open = {shown}), 0")
        assert browser.value("document.documentElement.scrollWidth") <= width
    sizes = browser.value(
        "Array.from(document.querySelectorAll('svg'), s => [s.clientWidth, s.getBBox().width])"
    )
    assert len(sizes) == 9
    assert all(250 < wide <= width and drawn > 250 for wide, drawn in sizes)
    letters = browser.value(
        "Math.min(...Array.from(document.querySelectorAll('svg text'),"
        " t => t.getBoundingClientRect().height))"
    )
    assert letters > 8
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri(), *browser.requests()[1:]]
    assert all(url.startswith("data:") for url in browser.requests()[1:])


def test_questions_are_text(browser, page):
    browser.open(page, 1280)
    assert browser.value("document.scripts.length") == 0
    shown = browser.value("document.querySelector('details summary bdi').textContent")
    assert shown.startswith(HOSTILE)


def test_ids_are_unique_and_every_reference_is_there(browser, page):
    browser.open(page, 1280)
    assert (
        browser.value(
            "(() => {const ids = Array.from(document.querySelectorAll('[id]'), e => e.id);"
            " return ids.length - new Set(ids).size})()"
        )
        == 0
    )
    assert (
        browser.value(
            "Array.from(document.querySelectorAll('use'), u => u.getAttribute('xlink:href'))"
            ".filter(h => !document.querySelector(h)).length"
        )
        == 0
    )


def test_ink_stands_out_from_the_page_in_light_and_dark(browser, page):
    brightness = (
        "(p => {const e = document.querySelector(p[0]);"
        " const c = getComputedStyle(e)[p[1]].match(/[0-9.]+/g).map(Number);"
        " return .3 * c[0] + .6 * c[1] + .1 * c[2]})"
    )
    found = {}
    for dark in (False, True):
        browser.open(page, 390, dark=dark)
        found[dark] = [
            browser.value(f"{brightness}({asked})")
            for asked in ("['body', 'backgroundColor']", "['svg text', 'fill']", "['td', 'color']")
        ]
    paper, *inks = found[False]
    assert all(paper - ink > 150 for ink in inks)
    paper, *inks = found[True]
    assert all(ink - paper > 150 for ink in inks)


def test_the_browser_would_notice(browser, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<meta name="viewport" content="width=device-width, minimum-scale=1">'
        "<p style='width: 900px'>wide</p><script>console.warn('no')</script>"
        "<img src='missing.png'>"
    )
    browser.open(bad, 390)
    assert browser.value("document.documentElement.scrollWidth") > 390
    assert len(browser.complaints()) == 2
    assert len(browser.requests()) > 1
