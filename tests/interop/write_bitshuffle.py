"""Writes arrays compressed as Eiger detectors do (bitshuffle + LZ4, LZ4), each beside the same array uncompressed and a virtual
data set onto it, in files of their own.

usage: write_bitshuffle.py FOLDER
"""
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

folder = Path(sys.argv[1])
random = np.random.default_rng(1)
filters = {
    "bslz4": hdf5plugin.Bitshuffle(),
    "bslz4_block64": hdf5plugin.Bitshuffle(nelems=64),
    "bs": hdf5plugin.Bitshuffle(cname="none"),
    "lz4": hdf5plugin.LZ4(),
    "lz4_block": hdf5plugin.LZ4(nbytes=1000),
}
for name, options in filters.items():
    for dtype in ["u1", "u2", "u4", ">i4", "f8"]:
        # Poisson counts compress, noise does not; odd extents leave blocks and chunks unfinished.
        data = random.poisson(3, (5, 67, 53)).astype(dtype)
        if dtype == "u4":
            data = random.integers(0, 2**24, data.shape, dtype)
        file_name = folder / f"{name}_{dtype.strip('>')}.h5"
        with h5py.File(file_name, "w") as file:
            file["plain"] = data
            file.create_dataset("packed", data=data, chunks=(2, 67, 53), **options)
            layout = h5py.VirtualLayout(data.shape, dtype)
            layout[:] = h5py.VirtualSource(".", "packed", data.shape)
            file.create_virtual_dataset("virtual", layout)
