"""What the peers have in common: the problem, the recipe and the clock.

    peer_NAME.py version
    peer_NAME.py cycles INPUT.npz --threads 1 --seconds 0.4 --repeat 3
    peer_NAME.py recipe INPUT.npz --threads 1 --seed 0 --hio 600 --er 200 --period 50 [--output RESULT.npz]

A solver has start(problem), hio, er and raar(cycles), update_support(blur) and result(): object and support with the origin in the middle.
"""

import argparse
import json
import os
import time

import numpy as np

# Of the preset `bragg` of lacuna, which are those of ESRF ID01.
BETA = 0.9
THRESHOLD = 0.25
BLUR = (2.0, 0.5)


class Problem:
    """An input and a random start, with the origin at index 0."""

    def __init__(self, path, seed):
        with np.load(path) as file:
            self.iobs, mask, support = (np.fft.ifftshift(file[name]) for name in ("iobs", "mask", "support"))
        self.mask, self.support = mask > 0, support > 0
        random = np.random.default_rng(seed)
        start = np.zeros(self.iobs.shape, np.complex64)
        inside = int(self.support.sum())
        start[self.support] = random.random(inside) * np.exp(2j * np.pi * random.random(inside))
        self.start = start * np.float32(np.sqrt(self.iobs.sum(dtype=np.float64) / np.square(np.abs(start), dtype=np.float64).sum()))


def clock(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - cpu])


def measured(work, seconds, repeat):
    """Median wall and CPU seconds of one of many, as `lacuna bench phasing` measures them."""
    clock(lambda: work(1))
    times = int(np.clip(seconds / clock(lambda: work(1))[0], 1, 1000))
    return np.median([clock(lambda: work(times)) / times for _ in range(repeat)], axis=0)


def cycles(solver, problem, seconds, repeat):
    works = [("HIO", solver.hio), ("ER", solver.er), ("RAAR", solver.raar)]
    if hasattr(solver, "transforms"):
        works.insert(0, ("two transforms", solver.transforms))

    def update(times):
        for _ in range(times):
            solver.update_support(BLUR[0])

    for step, work in works + [("support update", update)]:
        solver.start(problem)
        if work is update:
            solver.er(20)
        wall, cpu = measured(work, seconds, repeat)
        yield {"step": step, "wall": wall, "cpu": cpu}


def recipe(solver, hio, er, period):
    done, total = 0, hio + er
    for rule, number in ((solver.hio, hio), (solver.er, er)):
        for _ in range(number // period):
            rule(period)
            done += period
            solver.update_support(BLUR[0] * (BLUR[1] / BLUR[0]) ** (done / total))


def main(solver, version):
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("version", "cycles", "recipe"))
    parser.add_argument("input", nargs="?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--hio", type=int, default=600)
    parser.add_argument("--er", type=int, default=200)
    parser.add_argument("--period", type=int, default=50)
    parser.add_argument("--output")
    given = parser.parse_args()
    if given.part == "version":
        print(version)
        return
    with open("/proc/self/statm") as file:
        before = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    problem = Problem(given.input, given.seed)
    if given.part == "cycles":
        for line in cycles(solver(problem, given.threads), problem, given.seconds, given.repeat):
            print(json.dumps(line), flush=True)
        return
    made = solver(problem, given.threads)
    del problem
    wall, cpu = clock(lambda: recipe(made, given.hio, given.er, given.period))
    if given.output:
        object, support = made.result()
        np.savez(given.output, obj=object.astype(np.complex64), support=support.astype(np.uint8))
    print(json.dumps({"wall": wall, "cpu": cpu, "megabytes_before": before}))
