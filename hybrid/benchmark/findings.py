"""What the figures of a benchmark mean, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hybrid.benchmark.results import Result
from hybrid.significance import Comparison, compare, holm, paired_differences, randomisation_test

MEASURE = "nDCG@10"
LEVEL = 0.05
"""A difference whose corrected p is below this is called more than chance."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found about one collection.

    Attributes
    ----------
    base : str
        The best index alone, by nDCG@10.
    comparisons : tuple of Comparison
        Every other way against it, by nDCG@10.
    marks : mapping of str to mapping of str to int
        By measure and way, 1 or -1 where it is above or below the best index of that measure by
        more than chance; p-values are corrected for the ways of a measure.
    sentences : tuple of str
        What that means.
    """

    base: str
    comparisons: tuple[Comparison, ...]
    marks: Mapping[str, Mapping[str, int]]
    sentences: tuple[str, ...]

    def of(self, way: str) -> Comparison | None:
        """Return how a way compares; None of the base."""
        return next((found for found in self.comparisons if found.name == way), None)


def findings_of(result: Result) -> Findings:
    """Return what the figures of a result mean."""
    base = result.best_index(MEASURE).name
    comparisons = compare({way.name: way.measures[MEASURE] for way in result.ways}, base)
    marks = {measure: _marks(result, measure) for measure in result.ways[0].measures}
    return Findings(base, comparisons, marks, tuple(_sentences(result, base, comparisons)))


def lead(results: Sequence[Result], found: Sequence[Findings]) -> list[str]:
    """Return what a reader of only one paragraph should know of all collections."""
    if len(results) == 1:
        return list(found[0].sentences)
    known = [each for each in (findings.of("default") for findings in found) if each]
    if not known:
        return [f"{len(results)} collections were searched; none by the default fusion."]
    above = [each for each in known if each.difference > 0]
    sure = [each for each in known if each.p_holm < LEVEL]
    gains = sum(1 for each in sure if each.difference > 0)
    mean = sum(each.difference for each in known) / len(known)
    return [
        f"On {len(above)} of {len(known)} collections the default fusion has a higher {MEASURE} "
        f"than the best of its indexes alone; the difference is {signed(mean)} on average.",
        f"It is more than chance on {len(sure)} of them: {gains} times a gain, "
        f"{len(sure) - gains} times a loss.",
    ]


def signed(value: float) -> str:
    """Return a difference with its sign; one that rounds to zero has none."""
    shown = f"{value:+.3f}"
    return "0.000" if float(shown) == 0 else shown.replace("-", "−")


def p_in_words(p: float) -> str:
    """Return a p-value as papers write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _marks(result: Result, measure: str) -> dict[str, int]:
    """Return which ways differ from the best index by more than chance, and in which direction."""
    base = result.best_index(measure)
    gains = {
        way.name: paired_differences(way.measures[measure], base.measures[measure])
        for way in result.ways
        if way.name != base.name
    }
    corrected = holm([randomisation_test(gain) for gain in gains.values()])
    return {
        name: 1 if gain.sum() > 0 else -1
        for (name, gain), p in zip(gains.items(), corrected, strict=True)
        if p < LEVEL
    }


def _sentences(result: Result, base: str, comparisons: Sequence[Comparison]) -> list[str]:
    where = f"On {result.collection} ({_count(len(result.queries), 'question')})"
    alone = result.way(base).mean(MEASURE)
    found = next((each for each in comparisons if each.name == "default"), None)
    if found is None:
        return [f"{where} {base}, the best index alone, has {MEASURE} {alone:.3f}."]
    fused = result.way("default").mean(MEASURE)
    if len([way for way in result.ways if way.kind == "index"]) == 1:
        return [f"{where} {base} has {MEASURE} {alone:.3f}; there is no other index to fuse."]
    chance = "more than chance" if found.p_holm < LEVEL else "a difference that may be chance"
    said = [
        f"{where} the default fusion has {MEASURE} {fused:.3f}, {_above(found.difference)} {base}, "
        f"the best of its indexes alone ({alone:.3f}): {chance} ({p_in_words(found.p_holm)} after "
        f"correction for {_count(len(comparisons), 'comparison')}; alone {p_in_words(found.p)}, "
        f"95 % interval {signed(found.low)} to {signed(found.high)}).",
        f"Fusion answers {_count(found.better, 'question')} better than {base}, {found.worse} "
        f"worse, and {found.equal} as well.",
    ]
    return [*said, *_costs(result, base)]


def _costs(result: Result, base: str) -> list[str]:
    """Return what the first 100 documents hold, and what they cost, as far as that is known."""
    ours, theirs = result.way("default"), result.way(base)
    said = []
    if "R@100" in ours.measures:
        said.append(
            f"Its first 100 documents hold {ours.mean('R@100'):.1%} of the relevant ones, those "
            f"of {base} {theirs.mean('R@100'):.1%}."
        )
    if ours.latency and theirs.latency:
        said.append(
            f"A question takes {ours.latency.p50_ms:.2f} ms (median), by {base} alone "
            f"{theirs.latency.p50_ms:.2f} ms."
        )
    return said


def _above(difference: float) -> str:
    shown = f"{abs(difference):.3f}"
    if float(shown) == 0:
        return "as much as"
    return f"{shown} {'above' if difference > 0 else 'below'}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
