"""cdiutils ranks the files of single runs: its order by free log-likelihood is that of the files."""

import sys

import h5py
import silx.io.h5py_utils  # cdiutils uses it without importing it
from cdiutils.process.phaser import PhasingResultAnalyser

folder = sys.argv[1]
for criterion in ("llkf", "mean_to_max", "sharpness", "all"):
    analyser = PhasingResultAnalyser(result_dir_path=folder)
    analyser.analyse_phasing_results(sorting_criterion=criterion, plot=False, plot_phasing_results=False)
    ranked = list(analyser.sorted_phasing_results)
    assert len(ranked) == 3, ranked
    if criterion == "llkf":
        values = []
        for name in ranked:
            with h5py.File(f"{folder}/{name}") as file:
                values.append(file["entry_1/image_1/process_1/results/free_llk_poisson"][()])
        assert values == sorted(values), (ranked, values)
        # The number in the name is the one inside.
        assert all(f"LLKf{value:09.4f}" in name for name, value in zip(ranked, values)), (ranked, values)
