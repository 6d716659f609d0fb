"""Damaged index files, and hostile documents, filters and questions: only declared errors.

    python -m bench.fuzz files --times 20000 --seed 0
    python -m bench.fuzz inputs --times 20000
    python -m bench.fuzz files --seed 0 --only 4711       # one case again, with its traceback

Every case follows from the seed and its number.  Cases run in a process of their own, with bounded
memory and time: when it dies, its case is noted, and the next one runs in a new one.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

MEMORY, SECONDS = 3 << 30, 60
_GROWTH = 600_000  # kB that one case may take
_NOTED = 40  # failures that are shown


def run_cases(kind: str, seed: int, cases: range, work: Path, loud: bool = False) -> Counter[str]:
    """Run cases in this process; print a line of JSON for each that fails.

    Parameters
    ----------
    kind : {"files", "inputs"}
    seed : int
    cases : range
    work : Path
        A folder for them.
    loud : bool
        Whether to show tracebacks.

    Returns
    -------
    Counter
        How many ended in which way.
    """
    from bench.fuzz_cases import Files, Inputs

    world = (Files if kind == "files" else Inputs)(work)
    outcomes: Counter[str] = Counter()
    for case in cases:
        print(f"{case}", file=sys.stderr, flush=True) if not loud else None
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        what = "?"
        _set_timers(SECONDS)
        try:
            what = world.prepare(seed, case)
            outcome = world.run()
        except world.declared as error:
            outcome = f"refused: {type(error).__name__}"
        except Exception as error:  # what is looked for
            outcome = f"FAILED: {type(error).__name__}"
            where = traceback.format_exc() if loud else _last_line(error)
            print(json.dumps({"case": case, "what": what, "error": outcome, "where": where}))
        _set_timers(0)
        world.restore()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if grown > _GROWTH:
            outcome = "FAILED: memory"
            print(json.dumps({"case": case, "what": what, "error": f"{grown} kB more"}))
        outcomes[outcome] += 1
        if loud:
            print(what, outcome)
    return outcomes


def _set_timers(seconds: int) -> None:
    """Have the system end this process after so long; a process may be paused for a while."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(10 * seconds)


def _last_line(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {str(error)[:200]}"


def _fuzz(kind: str, seed: int, times: int) -> int:
    """Run all cases in processes of their own; return how many failed."""
    start, total, failures = 0, Counter[str](), []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        while start < times:
            command = [sys.executable, "-m", "bench.fuzz", kind, "--seed", str(seed)]
            command += ["--from", str(start), "--times", str(times), "--work", folder]
            notes = Path(folder) / "stderr.txt"
            with notes.open("w") as stderr:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            failures += [line for line in lines if "case" in line]
            numbers = [line for line in notes.read_text().splitlines() if line.isdigit()]
            last = int(numbers[-1]) if numbers else start
            if done.returncode == 0:
                total.update(lines[-1]["outcomes"])
                break
            late = done.returncode in (-signal.SIGALRM, -signal.SIGPROF)
            end = "time" if late else f"exit {done.returncode}"
            failures.append({"case": last, "error": f"died: {end}"})
            print(json.dumps(failures[-1]), notes.read_text()[-400:], flush=True)
            total["FAILED: died"] += 1
            total["before that"] += last - start
            start = last + 1
    for failure in failures[:_NOTED]:
        print(json.dumps(failure))
    print(f"{times} cases of {kind}, seed {seed}, {time.perf_counter() - began:.0f} s")
    for outcome, count in total.most_common():
        print(f"{count:8} {outcome}")
    print(f"{len(failures)} failures")
    return len(failures)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["files", "inputs"])
    parser.add_argument("--times", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one case, with its traceback")
    parser.add_argument("--from", type=int, dest="start", help="(for the processes)")
    parser.add_argument("--work", type=Path, help="(for the processes)")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if given.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            cases = range(given.only, given.only + 1)
            run_cases(given.kind, given.seed, cases, Path(folder), loud=True)
    elif given.start is None:
        sys.exit(1 if _fuzz(given.kind, given.seed, given.times) else 0)
    else:
        cases = range(given.start, given.times)
        outcomes = run_cases(given.kind, given.seed, cases, given.work)
        print(json.dumps({"outcomes": outcomes}))


if __name__ == "__main__":
    main()
