#!/usr/bin/env python3
"""Compares two sets of lines that `lacuna bench search --json` printed, particle by particle.

    tools/paired.py ONE.jsonl OTHER.jsonl

For each width of the gap: how many particles the first reconstructs worse and better than the second,
by more than 5 %, both mean errors, those above 0.8 taken as 0.8, and the first over the other with the
95 % interval of that from 2000 draws of particles. Compare two seeds of the same settings first: that is what
chance does.
"""

import json
import random
import sys

MARGIN = 1.05  # errors that differ by less are equal
MOST = 0.8  # as far off as an object of no relation is


def errors(path):
    """The error of each particle by the width of its gap."""
    found = {}
    with open(path) as lines:
        for line in map(json.loads, lines):
            if "error" in line and "ratio" in line:
                found.setdefault(line["ratio"], {})[line["pattern"]] = line["error"]
    return found


def means(pairs):
    """The mean errors of the first and of the second."""
    return [sum(min(pair[which], MOST) for pair in pairs) / len(pairs) for which in (0, 1)]


def of_means(pairs):
    """The mean error of the first over that of the second."""
    first, second = means(pairs)
    return first / second


def main(one, other):
    one, other = errors(one), errors(other)
    print("gap / oversampling  particles  worse  better  mean errors   the first over the other")
    for ratio in sorted(one.keys() & other.keys()):
        pairs = [(error, other[ratio][pattern]) for pattern, error in one[ratio].items() if pattern in other[ratio]]
        worse = sum(a > MARGIN * b for a, b in pairs)
        better = sum(b > MARGIN * a for a, b in pairs)
        draws = random.Random(0)
        drawn = sorted(of_means(draws.choices(pairs, k=len(pairs))) for _ in range(2000))
        interval = f"({drawn[50]:.2f} to {drawn[1949]:.2f})"
        both = ", ".join(f"{mean:.3f}" for mean in means(pairs))
        print(f"{ratio:<18}  {len(pairs):<9}  {worse:<5}  {better:<6}  {both:<12}  {of_means(pairs):.2f} {interval}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
