"""Writes one small file for every way in which others store patterns: a ramp of 7 x 5 pixels, 10 y + x, plus 100 z in stacks.

usage: write_inputs.py FOLDER
"""
import sys
from pathlib import Path

import h5py
import numpy as np
import tifffile

folder = Path(sys.argv[1])


def ramp(frames, dtype):
    z, y, x = np.mgrid[:frames, :7, :5]
    stack = 100 * z + 10 * y + x
    return (stack if frames > 1 else stack[0]).astype(dtype)


def h5(name, path="entry/data", data=None, **options):
    with h5py.File(folder / name, "w") as file:
        file.create_dataset(path, data=data, **options)


stack = ramp(3, "i4")
mask = np.zeros((7, 5), "u4")
mask[1, 1] = 0x200


def cxi(name, mask):
    with h5py.File(folder / name, "w") as file:
        file["cxi_version"] = 160
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector.create_dataset("data", data=stack, chunks=(2, 4, 4), compression="gzip", shuffle=True)
        detector["mask"] = mask
        detector["distance"] = 2.0
        detector["x_pixel_size"], detector["y_pixel_size"] = 75e-6, 55e-6
        file["entry_1/instrument_1/source_1/energy"] = 1.5e-15
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        file["entry_1/flags"] = mask != 0


# HDF5: filters, types, links
cxi("gzip.cxi", mask)
cxi("misfit.cxi", np.zeros((5, 5), "u4"))
(folder / "really_hdf5.npz").write_bytes((folder / "gzip.cxi").read_bytes())
h5("shuffle_lzf.h5", data=ramp(3, "u2"), compression="lzf", shuffle=True, chunks=(1, 4, 5))
h5("fletcher.h5", data=ramp(3, "f4"), fletcher32=True, chunks=(1, 4, 5))
h5("big_endian.h5", data=ramp(1, ">u2"))
h5("big_endian_float.h5", data=ramp(1, ">f8"))
h5("float16.h5", data=ramp(1, "f2"))
h5("int8.h5", data=ramp(1, "i1"))
h5("uint64.h5", data=ramp(3, "u8"))
h5("four_dimensions.h5", data=stack[None])
h5("one_frame.h5", data=stack[:1])
with h5py.File(folder / "latest.h5", "w", libver="latest") as file:
    file.create_dataset("entry/data", data=stack, compression="gzip")
with h5py.File(folder / "user_block.h5", "w", userblock_size=1024) as file:
    file["entry/data"] = stack
with h5py.File(folder / "soft.h5", "w") as file:
    file["raw/frames"] = stack
    file["entry/data/data"] = h5py.SoftLink("/raw/frames")
with h5py.File(folder / "external.h5", "w") as file:
    file["entry/data"] = h5py.ExternalLink("soft.h5", "/raw/frames")
with h5py.File(folder / "broken.h5", "w") as file:
    file["entry/data"] = h5py.ExternalLink("nowhere.h5", "/raw/frames")
with h5py.File(folder / "virtual.h5", "w") as file:
    layout = h5py.VirtualLayout((3, 7, 5), "i4")
    for z in range(3):
        layout[z] = h5py.VirtualSource("soft.h5", "raw/frames", (3, 7, 5))[z]
    file.create_virtual_dataset("entry/data/data", layout)
for part, frames in [(1, slice(0, 2)), (2, slice(2, 3))]:
    h5(f"eiger_data_{part:06}.h5", data=ramp(3, "u4")[frames])
with h5py.File(folder / "eiger_master.h5", "w") as file:
    for part in (1, 2):
        file[f"entry/data/data_{part:06}"] = h5py.ExternalLink(f"eiger_data_{part:06}.h5", "/entry/data")
    pixel_mask = np.zeros((7, 5), "u4")
    pixel_mask[0, :2] = 1, 2
    file["entry/instrument/detector/detectorSpecific/pixel_mask"] = pixel_mask
    file["entry/instrument/detector/detector_distance"] = 1.5
    file["entry/instrument/beam/incident_wavelength"] = np.float32(1.2)
    file["entry/instrument/beam/incident_wavelength"].attrs["units"] = "angstrom"
with h5py.File(folder / "nexus.nxs", "w") as file:
    file.attrs["default"] = "scan_7"
    entry = file.create_group("scan_7")
    entry.attrs["NX_class"], entry.attrs["default"] = np.bytes_("NXentry"), "plot"
    entry.create_group("plot").attrs["signal"] = "counts"
    entry["plot/counts"] = stack
    entry["plot/other"] = stack
    instrument = entry.create_group("beamline")
    instrument.attrs["NX_class"] = "NXinstrument"
    camera = instrument.create_group("camera")
    camera.attrs["NX_class"] = "NXdetector"
    for name, value, units in [("distance", 850.0, "mm"), ("x_pixel_size", 75.0, "um"), ("y_pixel_size", 0.075, "mm")]:
        camera[name] = value
        camera[name].attrs["units"] = units
    ring = instrument.create_group("source")
    ring["energy"] = 6.03
    ring["energy"].attrs["units"] = "GeV"
    instrument["monochromator/energy"] = 8.0
    instrument["monochromator/energy"].attrs["units"] = "keV"
with h5py.File(folder / "largest.h5", "w") as file:
    file["some/where/frames"] = stack
    file["some/where/mask"] = stack
    file["some/theta"] = np.arange(500.0)
    file["link"] = h5py.SoftLink("/some/where/frames")
with h5py.File(folder / "ambiguous.h5", "w") as file:
    file["a"], file["b"] = ramp(1, "f4"), ramp(1, "f4")
with h5py.File(folder / "pynx_result.cxi", "w") as file:
    file["entry_1/image_1/data"] = ramp(1, "c8")
    file["entry_1/image_1/mask"] = (ramp(1, "i4") > 20).astype("i1")
    file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")
    file["entry_last"] = h5py.SoftLink("/entry_1")
(folder / "text.cxi").write_text("not really\n")

# Sentinels
negative, saturated, nan = ramp(1, "i4"), ramp(1, "u2"), ramp(1, "f8")
negative[2:4, 2] = -1, -2
saturated[2, 2] = 65535
nan[2, 2] = np.nan
h5("negative.h5", data=negative)
h5("saturated.h5", data=saturated)
h5("nan.h5", data=nan)

# numpy
support = ramp(3, "i4") > 20
np.savez_compressed(
    folder / "data.npz", data=ramp(3, "u2"), mask=(mask != 0).astype("u1"), support=support, detector_distance_m=0.5
)
np.savez(folder / "iobs.npz", iobs=ramp(1, "f4"), other=np.zeros((9, 9)))
np.savez(folder / "single.npz", pattern=ramp(1, "f8"), theta=np.arange(4.0), probe=np.ones((4, 4), complex))
np.savez(folder / "ambiguous.npz", a=ramp(1, "f4"), b=ramp(1, "f4"))
np.savez(folder / "mask.npz", mask=mask != 0)
archive = (folder / "data.npz").read_bytes()
(folder / "half.npz").write_bytes(archive[: len(archive) // 2])
np.save(folder / "c.npy", stack)
np.save(folder / "fortran.npy", np.asfortranarray(ramp(3, "f4")))
np.save(folder / "big.npy", ramp(3, ">i2"))
np.save(folder / "half.npy", ramp(1, "f2"))
flags = np.zeros((7, 5), bool)
flags[0, 1:3] = flags[1, 1] = True
np.save(folder / "flags.npy", flags)
np.save(folder / "bits.npy", mask.astype("i8"))
np.save(folder / "one_dimension.npy", np.arange(5))
np.save(folder / "five_dimensions.npy", np.zeros((2, 3, 7, 5)))
np.save(folder / "empty.npy", np.zeros((0, 5)))
np.save(folder / "complex.npy", ramp(1, "c8"))
np.save(folder / "strings.npy", np.full((2, 2), "a"))

# TIFF
grey = {"photometric": "minisblack"}
tifffile.imwrite(folder / "stack.tif", ramp(3, "u2"), **grey)
tifffile.imwrite(folder / "big_endian.tif", ramp(3, "f4"), byteorder=">", **grey)
tifffile.imwrite(folder / "bigtiff.tif", ramp(3, "i4"), bigtiff=True, **grey)
tifffile.imwrite(folder / "signed.tif", ramp(1, "i2"), **grey)
tifffile.imwrite(folder / "double.tif", ramp(1, "f8"), **grey)
tifffile.imwrite(folder / "mask.tif", (mask != 0).astype("u1") * 255, **grey)
tifffile.imwrite(folder / "colour.tif", np.zeros((7, 5, 3), "u1"), photometric="rgb")
tifffile.imwrite(folder / "deflate.tif", ramp(3, "u4"), compression="zlib", **grey)
try:
    tifffile.imwrite(folder / "lzw.tif", ramp(1, "u1"), compression="lzw", **grey)
except Exception:  # needs imagecodecs
    tifffile.imwrite(folder / "lzw.tif", ramp(1, "u1"), **grey)
(folder / "frames").mkdir()
for z, frame in enumerate(ramp(11, "u2")):
    tifffile.imwrite(folder / "frames" / f"frame_{z + 1}.tif", frame, **grey)
(folder / "frames" / "notes.txt").write_text("not a frame\n")


# EDF by hand
def edf(name, frames, kind, order):
    out = b""
    for frame in frames:
        header = f"{{\nHeaderID = EH:000001:000000:000000 ;\nImage = 1 ;\nByteOrder = {order} ;\nDataType = {kind} ;\n"
        header += f"Dim_1 = {frame.shape[1]} ;\nDim_2 = {frame.shape[0]} ;\nSize = {frame.nbytes} ;\n"
        header += " " * (-(len(header) + 2) % 512) + "}\n"
        out += header.encode() + frame.tobytes()
    (folder / name).write_bytes(out)


edf("little.edf", [ramp(1, "<u2")], "UnsignedShort", "LowByteFirst")
edf("big.edf", [ramp(1, ">f4")], "FloatValue", "HighByteFirst")
edf("frames.edf", list(ramp(3, "<i4")), "SignedInteger", "LowByteFirst")
edf("mask.edf", [(mask != 0).astype("u1")], "UnsignedByte", "LowByteFirst")
