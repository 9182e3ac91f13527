#!/usr/bin/env python3
"""Runs lacuna and its peers in alternation and prints the tables of docs/benchmarks/phasing.md.

    benches/peers/run.py --lacuna target/release/lacuna --output DIR

A round runs every program once, each in a process of its own, and ratios are taken within rounds: a machine's speed drifts, and both sides of
a ratio should have met the same. What is measured is appended to DIR/measurements.jsonl; more rounds into the same DIR add to the table, and
--rounds 0 only prints it. Standard library only: it needs none of what it measures.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = "512x512,1024x1024,128x128x128,256x256x256"
STEPS = ["HIO", "ER", "RAAR", "support update", "two transforms"]
NAMES = {"lacuna": "Lacuna", "pyfftw": "numpy + pyFFTW", "pynx": "PyNX", "cohere": "cohere"}
# Peers whose transforms can use threads; the others run once a round and are set against every number of threads.
THREADED = ["lacuna", "pyfftw"]
# The standard recipe, and one as short as the memory needs: every array is there after the first support update.
RECIPES = {"recipe": (600, 200, 50), "memory": (5, 5, 5)}
# Most of an hour for one recipe, and some ten times the memory of the others.
LEFT_OUT = [("cohere", "256x256x256")]


def run(command, log, threads):
    """Runs a command to its end: the JSON objects that it printed, and what the system counted for it. None where it failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads), "NUMEXPR_NUM_THREADS": str(threads)}
    print(" ".join(map(str, command)), file=log, flush=True)
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process:
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(f"failed, see {log.name}: {' '.join(map(str, command))}", file=sys.stderr)
        return None
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return lines, {"cpu": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss * 1024 / 1e6}


def cycles(given, program, threads, size, log):
    time = ["--threads", threads, "--seconds", given.seconds, "--repeat", 3]
    if program == "lacuna":
        ran = run([given.lacuna, "bench", "phasing", "--sizes", size, "--json", *time], log, threads)
        timed = [line for line in ran[0] if "seconds_per_cycle" in line] if ran else []
        return [{"step": line["step"], "wall": line["seconds_per_cycle"], "cpu": line["cpu_seconds_per_cycle"]} for line in timed]
    ran = run([given.env / "python", HERE / f"peer_{program}.py", "cycles", input_of(given, size), *time], log, threads)
    return ran and ran[0]


def recipe(given, program, threads, size, log, part, seed):
    """The recipe from a random start of the program's own. Seconds are those of phasing, without reading, planning and writing; only
    lacuna's CPU seconds are those of the whole process."""
    hio, er, period = RECIPES[part]
    result = given.output / "result.npz"
    if program == "lacuna":
        algorithm = f"(Sup*ER**{period})**{er // period},(Sup*HIO**{period})**{hio // period}"
        ran = run([given.lacuna, "phase", input_of(given, size), "--support", input_of(given, size), "--gap", "free", "--algorithm", algorithm,
                   "--nb-run", 1, "--seed", seed, "--free-fraction", 0, "--device", "cpu", "--threads", threads,
                   "--output", result, "--output-format", "npz", "--force", "--json"], log, threads)
        line = ran and {"wall": ran[0][-1]["seconds"], "cpu": ran[1]["cpu"]}
    else:
        ran = run([given.env / "python", HERE / f"peer_{program}.py", "recipe", input_of(given, size), "--threads", threads, "--seed", seed,
                   "--hio", hio, "--er", er, "--period", period, "--output", result], log, threads)
        line = ran and ran[0][-1]
    if not ran:
        return None
    if part == "memory":
        return [{"megabytes": ran[1]["megabytes"], "megabytes_before": line.get("megabytes_before")}]
    input = input_of(given, size)
    scored = run([given.env / "python", HERE / "score.py", input, input.with_name(f"{size}-truth.npy"), result], log, 1)
    return [{**line, **(scored[0][0] if scored else {})}]


def input_of(given, size):
    return given.output / "inputs" / f"{size}.npz"


def measure(given, programs, log):
    (given.output / "inputs").mkdir(exist_ok=True)
    for size in given.sizes:
        if not input_of(given, size).exists() and not run([given.env / "python", HERE / "make_input.py", size, given.output / "inputs"], log, 1):
            sys.exit(1)
    turns = [(program, threads) for program in programs for threads in (given.threads if program in THREADED else [1])]
    first = 1 + max((line["round"] for line in measured(given)), default=-1)
    for round in range(first, first + given.rounds):
        for size in given.sizes:
            for part in given.parts:
                for program, threads in turns:
                    if (program, size) in LEFT_OUT:
                        continue
                    print(f"round {round}: {size} {part} {program}, threads: {threads}", file=sys.stderr)
                    if part == "cycles":
                        lines = cycles(given, program, threads, size, log)
                    else:
                        lines = recipe(given, program, threads, size, log, part, seed=round)
                    with open(given.output / "measurements.jsonl", "a") as file:
                        for line in lines or []:
                            key = {"part": part, "size": size, "round": round, "program": program, "threads": threads}
                            file.write(json.dumps({**key, **line}) + "\n")
    (given.output / "result.npz").unlink(missing_ok=True)


def measured(given):
    path = given.output / "measurements.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Measurements:
    """What was measured, by what and in which round."""

    def __init__(self, lines):
        self.values = {}
        for line in lines:
            key = (line["part"], line["size"], line["program"], line["threads"], line.get("step"))
            self.values.setdefault(key, {})[line["round"]] = line

    def some(self, part, size):
        return any(key[:2] == (part, size) for key in self.values)

    def median(self, field, *key):
        """None where nothing was measured."""
        values = [line[field] for line in self.values.get(key, {}).values() if line.get(field) is not None]
        return statistics.median(values) if values else None

    def ratio(self, field, key, to):
        """Median and range of the ratios within rounds."""
        ours, theirs = self.values.get(key, {}), self.values.get(to, {})
        ratios = [ours[round][field] / theirs[round][field] for round in sorted(ours.keys() & theirs.keys())]
        if not ratios:
            return "-"
        range = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
        return f"{statistics.median(ratios):.2f}{range}"


def number(value, form="{:.3g}"):
    return "-" if value is None else form.format(value)


def table(head, rows):
    print("\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n")


def print_cycles(all, columns, sizes, threads):
    print("Milliseconds a cycle, wall / CPU.\n")
    rows = []
    for size in sizes:
        for step in STEPS:
            cells = []
            for program, n in columns:
                wall, cpu = (all.median(field, "cycles", size, program, n, step) for field in ("wall", "cpu"))
                cells.append("-" if wall is None else f"{wall * 1e3:.3g} / {cpu * 1e3:.3g}")
            rows.append([size, step, *cells])
    table(["size", "step", *map(title, columns)], rows)

    peers = [program for program in dict(columns) if program != "lacuna"]
    print("Lacuna's CPU time to that of a peer: of a step, and of a cycle to the two bare transforms of numpy + pyFFTW. "
          "Median of the ratios within rounds, and their range.\n")
    rows = []
    for size in sizes:
        for step in STEPS:
            for n in threads:
                ours = ("cycles", size, "lacuna", n, step)
                to = [("cycles", size, peer, n if peer in THREADED else 1, step) for peer in peers]
                bare = ("cycles", size, "pyfftw", n, "two transforms")
                rows.append([size, step, str(n), *(all.ratio("cpu", ours, key) for key in to), all.ratio("cpu", ours, bare)])
    table(["size", "step", "threads", *(NAMES[peer] for peer in peers), "two bare transforms"], rows)


def print_recipe(all, columns, sizes):
    hio, er, period = RECIPES["recipe"]
    print(f"{hio} cycles of HIO and {er} of ER, a support update every {period}, each program from its own random starts (seed: the round). "
          "Lacuna to peer: with as many threads, where the peer has them.\n")
    rows = []
    for size in sizes:
        for program, n in columns:
            key = ("recipe", size, program, n, None)
            cells = [number(all.median(field, *key)) for field in ("wall", "cpu", "error", "llk")]
            ratios = [all.ratio(field, ("recipe", size, "lacuna", n, None), key) if program != "lacuna" else "" for field in ("wall", "cpu")]
            rows.append([size, title((program, n)), *cells, *ratios])
    table(["size", "program", "wall s", "CPU s", "error", "LLK", "Lacuna to it: wall", "CPU"], rows)


def print_memory(all, columns, sizes):
    print("Peak memory of the process, MB; in brackets what Python and the libraries take before the input is read.\n")
    rows = []
    for size in sizes:
        cells = []
        for program, n in columns:
            peak, before = (all.median(field, "memory", size, program, n, None) for field in ("megabytes", "megabytes_before"))
            cells.append(number(peak, "{:.0f}") + ("" if before is None else f" ({before:.0f})"))
        rows.append([size, *cells])
    table(["size", *map(title, columns)], rows)


def title(column):
    program, threads = column
    return f"{NAMES[program]}, {threads} thread{'s' if threads > 1 else ''}"


def print_tables(given):
    all = Measurements(measured(given))
    seen = {(key[2], key[3]) for key in all.values}
    columns = [(program, n) for program in NAMES for n in sorted({n for p, n in seen if p == program})]
    threads = [n for program, n in columns if program == "lacuna"]
    for part, show in (("cycles", lambda s: print_cycles(all, columns, s, threads)), ("recipe", lambda s: print_recipe(all, columns, s)),
                       ("memory", lambda s: print_memory(all, columns, s))):
        sizes = [size for size in given.sizes if all.some(part, size)]
        if sizes:
            print(f"### {part.capitalize()}\n")
            show(sizes)


def print_machine(given, programs):
    cpus = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")] or [platform.processor()]
    versions = [subprocess.run([given.lacuna, "--version"], capture_output=True, text=True).stdout.strip()]
    versions += [(given.env / f"{peer}.log").read_text().splitlines()[-1] for peer in programs if peer != "lacuna"]
    print(f"{cpus[0]}, {os.cpu_count()} cores seen, load {os.getloadavg()[0]:.1f}. {'; '.join(versions)}. "
          "PyNX's and cohere's transforms are single-threaded.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lacuna", type=Path, default=HERE.parents[1] / "target/release/lacuna")
    parser.add_argument("--env", type=Path, default=HERE / ".env", help="the folder that setup.sh was given")
    parser.add_argument("--sizes", type=lambda text: text.split(","), default=SIZES.split(","))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["cycles", "recipe", "memory"])
    parser.add_argument("--seconds", type=float, default=0.4, help="that a repetition of a step should last")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.lacuna, given.env, given.output = (path.resolve() for path in (given.lacuna, given.env, given.output))
    given.output.mkdir(parents=True, exist_ok=True)
    peers = (given.env / "peers").read_text().split()
    programs = [name for name in NAMES if name == "lacuna" or name in peers]
    with open(given.output / "log.txt", "a") as log:
        measure(given, programs, log)
    print_machine(given, programs)
    print_tables(given)


if __name__ == "__main__":
    main()
