#!/usr/bin/env python3
"""Coefficients of the verdict (src/reconstruct/verdict.rs) from what `lacuna bench search --json` printed.

    python3 tools/verdict.py validation.jsonl [test.jsonl]

A logistic regression with a weak pull to zero, fitted by Newton's method to whether the error of the object is below 0.3.
Prints the coefficients; and for each file, at the grades' probabilities, how many results of each grade were found.
"""
import json
import math
import sys

FOUND, PULL, GRADES = 0.3, 0.5, (0.85, 0.2)


def terms(evidence):
    """The terms of the regression: `Evidence::terms`."""
    excess = evidence["r_factor"] / max(evidence["noise_r_factor"], 1e-6)
    distance, agreeing = evidence["distance"], evidence["agreeing"]
    return [
        1.0,
        min(max(math.log(max(excess, 1e-3)), -1.0), 4.0),
        0.5 if distance is None else min(distance, 1.0),
        0.5 if agreeing is None else agreeing,
    ]


def read(path):
    rows = [json.loads(line) for line in open(path)]
    return [(terms(row["evidence"]), row["error"]) for row in rows if row.get("evidence")]


def solve(matrix, vector):
    """Gaussian elimination with pivots."""
    n = len(vector)
    rows = [list(matrix[i]) + [vector[i]] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, n):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    out = [0.0] * n
    for i in reversed(range(n)):
        out[i] = (rows[i][n] - sum(rows[i][k] * out[k] for k in range(i + 1, n))) / rows[i][i]
    return out


def probability(weights, x):
    return 1 / (1 + math.exp(-max(min(sum(w * v for w, v in zip(weights, x)), 50), -50)))


def fit(data):
    n = len(data[0][0])
    weights = [0.0] * n
    for _ in range(50):
        gradient = [-PULL * w * (i > 0) for i, w in enumerate(weights)]
        hessian = [[PULL * (i == k and i > 0) + 1e-9 * (i == k) for k in range(n)] for i in range(n)]
        for x, error in data:
            p = probability(weights, x)
            for i in range(n):
                gradient[i] += ((error < FOUND) - p) * x[i]
                for k in range(n):
                    hessian[i][k] += p * (1 - p) * x[i] * x[k]
        step = solve(hessian, gradient)
        weights = [w + s for w, s in zip(weights, step)]
        if max(map(abs, step)) < 1e-9:
            break
    return weights


def report(name, data, weights):
    groups = {"found": [], "doubtful": [], "not found": []}
    for x, error in data:
        p = probability(weights, x)
        grade = "found" if p >= GRADES[0] else "doubtful" if p >= GRADES[1] else "not found"
        groups[grade].append(error < FOUND)
    text = ", ".join(f"{grade}: {sum(found)} of {len(found)}" for grade, found in groups.items())
    print(f"{name}: error below {FOUND} in {text}")


def main():
    training = [row for row in read(sys.argv[1])]
    weights = fit(training)
    print("COEFFICIENTS:", [round(w, 3) for w in weights])
    for path in sys.argv[1:]:
        report(path, read(path), weights)


if __name__ == "__main__":
    main()
