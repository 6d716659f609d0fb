"""Our methods give the scores of ranx, where it is right.

Not copied, and so kept out of the comparison (ranx 0.3.21):

- min-max gives every row of a list whose scores are all equal, such as a lone hit, 0, as if it had
  not been found; ours gives 1.  Its sum norm does the same; ours shares 1 among them.
- The maximum norm divides by 1e-9 when the best score is negative; ours by its absolute value.
- RRF, ISR and Borda rank a run in the order of its dictionary, also when that is not sorted (a run
  made by `add_score`), and equal scores in an order that depends on how they were put in; ours
  orders equal scores by row.
- Condorcet sorts by a comparison that is none: equal votes, as with two runs, say that whoever is
  asked about first is better, and where neither row is on a list, that list votes for the other.
  The order of a set of strings, which changes with the process, decides.  So it is compared on
  complete lists, of an odd number of runs, without circles of majorities.
- BayesFuse reads its odds beyond their end for lists of more than 1,000 rows.  Learned odds count
  ranks that a short list does not have as irrelevant ones, give a bracket without a hit .001, more
  than one with few hits, and line up judgements and runs by position, whatever their queries are.
  The odds of a row that is not listed are .001, more than those of one at the end of a long list.
- A query that one of the runs lacks is an `AssertionError`, an empty list crashes `Run`, and every
  fusion needs at least two runs.
"""

import numpy as np
import pytest

from fusion import RRF, Bayes, ByRank, Comb, Condorcet, Weighted, fuse
from fusion.condorcet import victories
from fusion.odds import learn_odds
from indexes import Candidates
from indexes.candidates import top

ranx = pytest.importorskip("ranx")
pytestmark = pytest.mark.filterwarnings("ignore:unsafe cast")  # numba of ranx, when it compiles

NAMES = ["a", "b", "c"]
QUERIES = 12
POOL = 60
WEIGHTS = {"a": 0.5, "b": 2.0, "c": 1.5}
NORMS = {"min-max": "list-minmax", "max": "list-max", "sum": "list-sum", "zmuv": "list-zscore"}
UNSEEN = float(np.log(0.001 / 0.999))


def made(seed, steps=None):
    """Return lists by index, for each query: of 2 to 40 rows each, distinct scores unless stepped.

    The best of a list is above its last, which is where ranx's norms are right.
    """
    random = np.random.default_rng(seed)
    queries = []
    for _ in range(QUERIES):
        lists = {}
        for name in NAMES:
            rows = random.choice(POOL, int(random.integers(2, 41)), replace=False)
            levels = 1 + random.permutation(len(rows)) % (steps or POOL)
            lists[name] = top(rows, np.float32(0.01) * levels.astype(np.float32), POOL)
        queries.append(lists)
    return queries


def runs_of(queries):
    """Return the same as a run of ranx for each index."""
    runs = []
    for name in NAMES:
        run = {}
        for number, lists in enumerate(queries):
            rows, scores = map(str, lists[name].rows), map(float, lists[name].scores)
            run[f"q{number:02}"] = dict(zip(rows, scores, strict=True))
        runs.append(ranx.Run(run))
    return runs


@pytest.fixture(scope="module")
def distinct():
    queries = made(1)
    return queries, runs_of(queries)


@pytest.fixture(scope="module")
def tied():
    queries = made(2, steps=7)
    return queries, runs_of(queries)


def assert_same(queries, method, theirs, factor=1.0):
    """Compare scores of all rows, and the order: ours is theirs, rows of equal scores apart."""
    compared = 0
    for number, lists in enumerate(queries):
        found = fuse(lists, method, 3 * POOL)
        expected = dict(theirs[f"q{number:02}"])
        mine = dict(zip(map(str, found.rows), map(float, found.scores), strict=True))
        assert mine.keys() == expected.keys()
        scaled = {row: score * factor for row, score in expected.items()}
        assert mine == pytest.approx(scaled, rel=1e-5, abs=1e-6)
        in_order = [scaled[row] for row in mine]
        assert in_order == pytest.approx(sorted(scaled.values(), reverse=True), rel=1e-5, abs=1e-6)
        compared += len(expected)
    assert compared > QUERIES * 3


@pytest.mark.parametrize(
    ("theirs", "method"),
    [
        ("rrf", RRF()),
        ("isr", ByRank("isr")),
        ("log_isr", ByRank("log-isr")),
        ("bordafuse", ByRank("borda")),
    ],
)
def test_fusion_of_ranks(distinct, theirs, method):
    queries, runs = distinct
    assert_same(queries, method, ranx.fuse(runs, norm=None, method=theirs))


def test_k_of_rrf(distinct):
    queries, runs = distinct
    theirs = ranx.fuse(runs, norm=None, method="rrf", params={"k": 10})
    assert_same(queries, RRF(10), theirs)


@pytest.mark.parametrize("of", ["sum", "mnz", "anz", "max", "min", "med"])
@pytest.mark.parametrize("scores", ["distinct", "tied"])
def test_combinations_of_scores(request, of, scores):
    queries, runs = request.getfixturevalue(scores)
    theirs = ranx.fuse(runs, norm="min-max", method=of)
    assert_same(queries, Comb(of, "list-minmax", missing="zero"), theirs)


@pytest.mark.parametrize(("norm", "ours"), NORMS.items())
def test_norms_of_scores(tied, norm, ours):
    queries, runs = tied
    theirs = ranx.fuse(runs, norm=norm, method="sum")
    assert_same(queries, Comb("sum", ours, missing="zero"), theirs)


def test_weights_are_scaled_to_sum_to_one(tied):
    queries, runs = tied
    params = {"weights": tuple(WEIGHTS.values())}
    theirs = ranx.fuse(runs, norm="zmuv", method="wsum", params=params)
    method = Weighted(WEIGHTS, "list-zscore", "zero")
    assert_same(queries, method, theirs, 1 / sum(WEIGHTS.values()))


def test_norms_of_ranks(distinct):
    queries, runs = distinct
    assert_same(queries, ByRank("linear"), ranx.fuse(runs, norm="rank", method="sum"))
    theirs = ranx.fuse(runs, norm="borda", method="sum")
    for number, lists in enumerate(queries):
        expected = dict(theirs[f"q{number:02}"])
        found = fuse(lists, ByRank("borda"), 3 * POOL)
        scaled = (found.scores / len(expected)).tolist()
        mine = dict(zip(map(str, found.rows), scaled, strict=True))
        assert mine == pytest.approx(expected, rel=1e-5)


def test_condorcet_where_all_agree_on_what_a_majority_is():
    random = np.random.default_rng(3)
    queries, rows = [], 7
    while len(queries) < QUERIES:
        orders = [np.argsort(np.arange(rows) + random.normal(0, 2, rows)) for _ in NAMES]
        places = -np.argsort(orders, axis=1).astype(np.float64)
        wins = victories(places, np.ones(len(NAMES))).sum(axis=0)
        if len(set(wins.round(6))) == rows:  # nobody wins as often as another: no circle
            scores = np.arange(rows, 0, -1, dtype=np.float32)
            queries.append(
                {name: Candidates(at, scores) for name, at in zip(NAMES, orders, strict=True)}
            )
    theirs = ranx.fuse(runs_of(queries), norm=None, method="condorcet")
    for number, lists in enumerate(queries):
        found = fuse(lists, Condorcet(), rows)
        expected = dict(theirs[f"q{number:02}"])
        mine = dict(zip(map(str, found.rows), (found.scores + 1).tolist(), strict=True))
        assert mine == pytest.approx(expected)


def test_bayes_with_learned_odds():
    """Lists of 30, a number at which a bracket ends, so that ranx counts no rank that is not."""
    random = np.random.default_rng(4)
    scores = np.arange(30, 0, -1, dtype=np.float32)
    queries = [
        {name: Candidates(random.permutation(POOL)[:30], scores) for name in NAMES}
        for _ in range(QUERIES)
    ]
    relevant = [random.choice(POOL, 20, replace=False) for _ in queries]
    runs = runs_of(queries)
    judged = {
        f"q{number:02}": {str(row): 1 for row in rows} for number, rows in enumerate(relevant)
    }
    theirs = ranx.fusion.bayesfuse_train(ranx.Qrels(judged), runs)
    ours = learn_odds({name: [lists[name] for lists in queries] for name in NAMES}, relevant)
    for name, odds in zip(NAMES, theirs, strict=True):
        assert len(set(odds[:30])) > 3
        assert ours.odds[name] == pytest.approx(odds[:30].tolist())
    assert ours.missing_odds == pytest.approx(UNSEEN)
    fused = ranx.fuse(runs, norm=None, method="bayesfuse", params={"log_odds": theirs})
    assert_same(queries, ours, fused)
    assert_same(queries, Bayes(ours.odds), fused)
