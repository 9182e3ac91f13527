#!/usr/bin/env python3
"""Milliseconds of a cycle of HIO as one would write it in CuPy: two transforms and elementwise work, each an own kernel.

    benches/cupy_cycles.py [SIZE ...]     for example 1024x1024 256x256x256

One JSON line a size. Needs CuPy and a card.
"""

import json
import sys
import time

import cupy as cp

SIZES = ["512x512", "1024x1024", "2048x2048", "4096x4096", "128x128x128", "256x256x256", "512x512x512"]


def seconds(shape, beta=0.9, repeats=50):
    generator = cp.random.default_rng(0)
    modulus = generator.random(shape, dtype=cp.float32)
    measured = generator.random(shape, dtype=cp.float32) > 0.05
    support = cp.zeros(shape, dtype=bool)
    support[tuple(slice(0, n // 3) for n in shape)] = True
    thing = generator.random(shape, dtype=cp.float32).astype(cp.complex64)

    @cp.fuse()
    def project(field, modulus, measured):
        return cp.where(measured, field * (modulus / cp.maximum(cp.abs(field), 1e-12)), field)

    @cp.fuse()
    def feedback(thing, projected, support):
        return cp.where(support, projected, thing - beta * projected)

    def cycle(thing):
        return feedback(thing, cp.fft.ifftn(project(cp.fft.fftn(thing, norm="ortho"), modulus, measured), norm="ortho"), support)

    for _ in range(3):
        thing = cycle(thing)
    times = []
    for _ in range(5):
        cp.cuda.Device().synchronize()
        begun = time.perf_counter()
        for _ in range(repeats):
            thing = cycle(thing)
        cp.cuda.Device().synchronize()
        times.append((time.perf_counter() - begun) / repeats)
    return sorted(times)[len(times) // 2]


for size in sys.argv[1:] or SIZES:
    shape = tuple(int(n) for n in size.split("x"))
    try:
        found = seconds(shape)
    except cp.cuda.memory.OutOfMemoryError:
        print(json.dumps({"size": size, "skipped": "memory"}), flush=True)
        continue
    print(json.dumps({"cupy": cp.__version__, "size": size, "hio_seconds": found}), flush=True)
