"""Time and memory of lacuna_cdi.phase beside `lacuna run`, on the same patterns with the same seeds.

    python python/benchmarks/against_program.py [--rounds 5] [--program target/release/lacuna]

Both read the pattern from one file, phase it, and write result.cxi and the report. In each round both
are run, in turns first; ratios are Python's over the program's, medians over the rounds.

phasing: by the library's own clock. call: `lacuna run` from its start to its end, and phase and save
in a Python that has been started. process: with the start of Python and the import of NumPy, which
take as long and as much memory however large the pattern is. CPU: of all threads, user and system.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = {
    "128x128, preset bragg": {"shape": (128, 128), "settings": {}},
    "64x64x64, three runs": {"shape": (64, 64, 64), "settings": {"nb_run": 3}},
}

# What a person writes, and its time.
SCRIPT = """
import json, sys, time
import lacuna_cdi
begun = time.monotonic()
result = lacuna_cdi.phase("scan.npz", **json.loads(sys.argv[1]))
result.save("python.cxi", force=True)
result.save("python.html", force=True)
call = time.monotonic() - begun
print(json.dumps({"phasing": result.summary["seconds"], "call": call, "r_factor": result.r_factor}))
"""


def measured(line, folder):
    """Standard output of a process, and what it took."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(line, cwd=folder, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{line[0]} failed with {process.returncode}")
    return text, {"process": seconds, "CPU": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / 1024}


def program(path, settings, folder):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    line = [path, "run", "scan.npz", *flags, "--output", "out", "--force", "--json"]
    text, took = measured(line, folder)
    summary = json.loads(text.splitlines()[-1])
    return {**took, "phasing": summary["seconds"], "call": took["process"], "r_factor": summary["r_factor"]}


def python(settings, folder):
    text, took = measured([sys.executable, "-c", SCRIPT, json.dumps(settings)], folder)
    return {**took, **json.loads(text)}


def main():
    import numpy as np

    import lacuna_cdi

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", type=Path, default=Path(__file__).parents[2] / "target/release/lacuna")
    options = parser.parse_args()
    path = str(options.program.resolve())
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            scan = lacuna_cdi.simulate(case["shape"], gap=6, strain=0.5, photons=1e7, seed=1)
            np.savez(Path(folder) / "scan.npz", data=scan.counts, mask=scan.mask)
            rounds = []
            for number in range(options.rounds + 1):
                both = {"program": lambda: program(path, case["settings"], folder)}
                both["python"] = lambda: python(case["settings"], folder)
                order = sorted(both, reverse=number % 2 == 1)
                rounds.append({who: both[who]() for who in order})
        # The first one fills the caches.
        rounds = rounds[1:]
        assert all(one["program"]["r_factor"] == one["python"]["r_factor"] for one in rounds)
        print(f"{name}, {options.rounds} rounds")
        for what, unit in (("phasing", "s"), ("call", "s"), ("process", "s"), ("CPU", "s"), ("memory", "MB")):
            ratio = statistics.median(one["python"][what] / one["program"][what] for one in rounds)
            each = {who: statistics.median(one[who][what] for one in rounds) for who in ("program", "python")}
            print(f"  {what:>7}: program {each['program']:.2f} {unit}, Python {each['python']:.2f} {unit}, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
