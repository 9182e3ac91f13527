"""Times PyNX's CPU operators on the sizes of `lacuna bench phasing`, one JSON object a line in the same form.

    python benches/pynx_cycles.py 512x512 1024x1024 128x128x128 256x256x256

needs PyNX (2025.1 here) importable: on Debian 13 `apt-get install python3-pynx`. Run it in alternation with lacuna: machines drift.
"""

import json
import os
import sys
import time

os.environ.setdefault("PYNX_PU", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
import numpy as np
from pynx.processing_unit import default_processing_unit

default_processing_unit.use_cpu()
import pynx.cdi.cpu_operator as operators
from pynx.cdi.cdi import CDI


def problem(shape, seed=0):
    """A ball of random phases with a gap of six rows, like the one of `lacuna bench phasing`; zero frequency at index 0."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.fft.fftfreq(n, 1 / n).astype(np.float32) for n in shape], indexing="ij", sparse=True)
    support = sum(a**2 for a in axes) <= (shape[-1] / 6) ** 2
    start = (support * random.random(shape) * np.exp(6j * random.random(shape))).astype(np.complex64)
    iobs = np.round(np.abs(np.fft.fftn(start, norm="ortho")) ** 2 * 100).astype(np.float32)
    mask = np.zeros(shape, np.int8)
    mask[..., 10:16, :] = 1
    return CDI(iobs, support=support.astype(np.int8), obj=start, mask=mask)


def measure(size, repeat=5, seconds=0.8):
    shape = tuple(int(n) for n in size.split("x"))
    cdi = problem(shape)
    for name, operator in (
        ("HIO", operators.HIO(beta=0.9)),
        ("ER", operators.ER()),
        ("RAAR", operators.RAAR(beta=0.9)),
    ):

        def once(n):
            nonlocal cdi
            wall, cpu = time.perf_counter(), time.process_time()
            cdi = operator**n * cdi
            return (time.perf_counter() - wall) / n, (time.process_time() - cpu) / n

        once(1)
        n = max(1, int(seconds / once(1)[0]))
        results = [once(n) for _ in range(repeat)]
        wall, cpu = (float(np.median([r[i] for r in results])) for i in (0, 1))
        line = {"bench": "pynx cpu", "size": size, "step": name, "seconds_per_cycle": wall, "cpu_seconds_per_cycle": cpu}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    for size in sys.argv[1:]:
        measure(size)
