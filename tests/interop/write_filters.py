"""Writes one stack through the filters that detectors and archives use, and frames as a Pilatus writes them.

usage: write_filters.py FOLDER
"""
import gzip
import sys
from pathlib import Path

import fabio
import h5py
import hdf5plugin
import numpy as np

folder = Path(sys.argv[1])
stack = np.random.default_rng(1).poisson(3, (6, 70, 90)).astype("u4")
stack[:, 10, 20] = 4_000_000
np.save(folder / "truth.npy", stack)
filters = {
    "zstd": hdf5plugin.Zstd(),
    "bitshuffle_zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bitshuffle": hdf5plugin.Bitshuffle(),
    "lz4": hdf5plugin.LZ4(),
}
for codec in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
    for shuffle in (0, 1, 2):
        filters[f"blosc_{codec}_{shuffle}"] = hdf5plugin.Blosc(cname=codec, shuffle=shuffle)
        filters[f"blosc2_{codec}_{shuffle}"] = hdf5plugin.Blosc2(cname=codec, filters=shuffle)
for name, options in filters.items():
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file.create_dataset("entry/data/data", data=stack, chunks=(2, 70, 90), **options)
with h5py.File(folder / "szip.h5", "w") as file:
    try:
        file.create_dataset("entry/data/data", data=stack, chunks=(2, 70, 90), compression="szip")
    except ValueError:
        (folder / "no_szip").touch()
(folder / "cbf").mkdir()
(folder / "cbf_gz").mkdir()
for z, frame in enumerate(stack.astype("i4")):
    frame[3, 4] = -1
    name = folder / "cbf" / f"f_{z:05}.cbf"
    fabio.cbfimage.CbfImage(data=frame).write(name)
    (folder / "cbf_gz" / f"f_{z:05}.cbf.gz").write_bytes(gzip.compress(name.read_bytes()))
