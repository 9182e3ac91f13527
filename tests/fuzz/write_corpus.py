"""Small valid files of the formats that lacuna reads and does not write, to be damaged by tests/fuzz.

    python write_corpus.py corpus        (h5py, hdf5plugin, fabio, tifffile, numpy)
"""

import gzip
import sys
from pathlib import Path

import fabio
import h5py
import hdf5plugin
import numpy as np
import tifffile

folder = Path(sys.argv[1])
stack = np.fromfunction(lambda z, y, x: 100 * z + 10 * y + x, (2, 7, 5)).astype("u2")
mask = np.zeros((7, 5), "u1")
mask[3] = 1

with h5py.File(folder / "nexus.h5", "w") as f:
    f.attrs["default"] = "entry"
    entry = f.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "data"})
    detector = entry.create_group("instrument/detector")
    detector.attrs["NX_class"] = "NXdetector"
    detector.create_dataset("data", data=stack, chunks=(1, 7, 5), compression="gzip", shuffle=True)
    detector["pixel_mask"] = mask.astype("u4")
    for name, value, unit in [("x_pixel_size", 55e-6, "m"), ("y_pixel_size", 55.0, "um"), ("distance", 1200.0, "mm")]:
        detector[name] = value
        detector[name].attrs["units"] = unit
    entry["instrument/beam/incident_energy"] = 8000.0
    entry["instrument/beam/incident_energy"].attrs["units"] = "eV"
    entry.create_group("data").attrs.update({"NX_class": "NXdata", "signal": "data"})
    entry["data/data"] = h5py.SoftLink("/entry/instrument/detector/data")

with h5py.File(folder / "filters.h5", "w") as f:
    filters = {"bitshuffle": hdf5plugin.Bitshuffle(), "zstd": hdf5plugin.Zstd(), "lz4": hdf5plugin.LZ4(),
               "blosc": hdf5plugin.Blosc(), "blosc2": hdf5plugin.Blosc2()}
    for name, options in filters.items():
        f.create_dataset(name, data=stack, chunks=(1, 7, 5), **options)

with h5py.File(folder / "virtual.h5", "w", libver="latest") as f:
    f.create_dataset("source", data=stack, chunks=(1, 7, 5), maxshape=(None, 7, 5))
    layout = h5py.VirtualLayout((2, 7, 5), "u2")
    layout[:] = h5py.VirtualSource(".", "source", (2, 7, 5))
    f.create_virtual_dataset("entry/data/data", layout)
    f["entry/external"] = h5py.ExternalLink("missing.h5", "/data")

np.savez(folder / "plain.npz", data=stack, mask=mask)
np.savez_compressed(folder / "packed.npz", iobs=stack.astype("f4"), mask=mask, support=mask)
np.save(folder / "frame.npy", stack.astype(">f8"))
np.save(folder / "fortran.npy", np.asfortranarray(stack))
tifffile.imwrite(folder / "stack.tif", stack)
tifffile.imwrite(folder / "packed.tif", stack.astype("f4"), compression="zlib", photometric="minisblack")


def edf(frame):
    head = "{\nHeaderID = EH:000001:000000:000000 ;\nByteOrder = LowByteFirst ;\nDataType = UnsignedShort ;\n"
    head += f"Dim_1 = 5 ;\nDim_2 = 7 ;\nSize = {frame.nbytes} ;\n"
    return head.ljust(510).encode() + b"}\n" + frame.tobytes()


(folder / "frames.edf").write_bytes(b"".join(edf(frame) for frame in stack))
(folder / "frame.edf.gz").write_bytes(gzip.compress(edf(stack[0]), mtime=0))
fabio.cbfimage.CbfImage(data=stack[1].astype("i4")).write(str(folder / "frame.cbf"))
