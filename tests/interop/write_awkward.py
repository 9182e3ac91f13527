"""Writes files as facilities leave them: sources lost, scans stopped, units missing, several detectors. Frame z of every stack is a
blurred spot of 6 x 8 pixels with 1000 (z + 1) + 10 y + x counts, so that no frame can be taken for another.

usage: write_awkward.py FOLDER
"""
import gzip
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import tifffile

folder = Path(sys.argv[1])


def counts(frames, dtype="u4"):
    z, y, x = np.mgrid[:frames, :6, :8]
    return (1000 * (z + 1) + 10 * y + x).astype(dtype)


def h5(name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return h5py.File(folder / name, "w")


# A virtual data set of four files, of which one is lost, one is short, and one is a virtual data set of a lost file.
for part in range(4):
    with h5(f"vds/part_{part}.h5") as file:
        file["data"] = counts(12)[3 * part : 3 * part + (2 if part == 2 else 3)]
(folder / "vds/part_1.h5").unlink()
with h5("vds/nested.h5") as file:
    layout = h5py.VirtualLayout((3, 6, 8), "u4")
    layout[:2] = h5py.VirtualSource("part_3.h5", "data", (3, 6, 8))[:2]
    layout[2:] = h5py.VirtualSource("gone.h5", "data", (1, 6, 8))
    file.create_virtual_dataset("data", layout)
with h5("vds/master.h5") as file:
    layout = h5py.VirtualLayout((12, 6, 8), "u4")
    for part in range(4):
        name = "nested.h5" if part == 3 else f"part_{part}.h5"
        layout[3 * part : 3 * part + 3] = h5py.VirtualSource(name, "data", (3, 6, 8))
    file.create_virtual_dataset("entry/data/data", layout)
    # Modules side by side, the right one lost.
    layout = h5py.VirtualLayout((2, 6, 16), "u4")
    layout[:, :, :8] = h5py.VirtualSource("part_0.h5", "data", (3, 6, 8))[:2]
    layout[:, :, 8:] = h5py.VirtualSource("right.h5", "data", (2, 6, 8))
    file.create_virtual_dataset("modules", layout)

# Eiger masters: a file lost in the middle, its link gone altogether, a file cut short.
for part in (1, 2, 3):
    with h5(f"eiger/s_data_{part:06}.h5") as file:
        file.create_dataset("entry/data/data", data=counts(12)[4 * part - 4 : 4 * part], chunks=(1, 6, 8))


def master(name, parts):
    with h5(f"eiger/{name}") as file:
        for part in parts:
            file[f"entry/data/data_{part:06}"] = h5py.ExternalLink(f"s_data_{part:06}.h5", "/entry/data/data")
        detector = file.create_group("entry/instrument/detector")
        detector["detectorSpecific/nimages"], detector["detectorSpecific/ntrigger"] = 4, 4
        detector["detectorSpecific/photon_energy"] = 9000.0
        detector["x_pixel_size"] = detector["y_pixel_size"] = 75e-6
        detector["detector_distance"] = -0.9


master("stopped_master.h5", (1, 2, 3, 4))
master("hole_master.h5", (1, 3))
master("lost_master.h5", (1, 2, 3, 5))
whole = (folder / "eiger/s_data_000002.h5").read_bytes()
(folder / "cut").mkdir()
for file in (folder / "eiger").iterdir():
    (folder / "cut" / file.name).write_bytes(file.read_bytes())
(folder / "cut/s_data_000002.h5").write_bytes(whole[: len(whole) // 2])

# Frames that were planned and never written.
with h5("unwritten.h5") as file:
    data = file.create_dataset("entry/data/data", (6, 6, 8), "u4", chunks=(1, 6, 8))
    data[:2], data[4:5] = counts(2), counts(5)[4:]

# Series of frames.
for name, numbers in [("series", [1, 2, 4, 5]), ("tens", [0, 10, 20, 40])]:
    (folder / name).mkdir()
    for z, number in enumerate(numbers):
        tifffile.imwrite(folder / name / f"s12_{number:04}.tif", counts(9)[z])
tifffile.imwrite(folder / "series" / "dark.tif", counts(1)[0])
(folder / "two").mkdir()
for name in ("a_1", "a_2", "b_1", "b_2", "b_3"):
    tifffile.imwrite(folder / "two" / f"{name}.tif", counts(1)[0])
tifffile.imwrite(folder / "imagej.tif", counts(3, "u2"), imagej=True)
text = (folder / "imagej.tif").read_bytes()
(folder / "imagej.tif").write_bytes(text.replace(b"images=3", b"images=9"))


# EDF: one header for all frames, a header a frame, packed, with bytes too many.
def edf(frame, extra="", size=512):
    keys = f"Image = 1 ;\r\nByteOrder = LowByteFirst ;\r\nDataType = UnsignedInteger ;\r\nDim_1 = 8 ;\r\nDim_2 = 6 ;\r\n"
    text = f"{{\r\n{extra}{keys}Size = {frame.nbytes if frame.ndim == 2 else frame[0].nbytes} ;\r\n"
    return text.encode() + b" " * (size - len(text) - 3) + b"}\r\n" + frame.tobytes()


stack = counts(5)
early = edf(stack, "EDF_HeaderSize = 1024 ;\r\nNum_Images = 5 ;\r\n", 512)
(folder / "one_header.edf").write_bytes(early[:512] + b" " * 512 + early[512:])
(folder / "one_header_cut.edf").write_bytes((folder / "one_header.edf").read_bytes()[:-100])
(folder / "frames.edf").write_bytes(b"".join(edf(frame, "Num_Images = 5 ;\r\n") for frame in stack))
(folder / "frames.edf.gz").write_bytes(gzip.compress((folder / "frames.edf").read_bytes()))
(folder / "more.edf").write_bytes(edf(stack[0]) + b"\1" * 192)
(folder / "more.npy").write_bytes(b"")
np.save(folder / "more.npy", stack)
with open(folder / "more.npy", "ab") as file:
    file.write(b"\0" * 8)

# Scans in one file, detectors in one scan.
with h5("scans.h5") as file:
    file.attrs["default"] = "1.1"
    for scan, energy in (("1.1", 9.0), ("2.1", 9.0), ("3.1", 13.0)):
        entry = file.create_group(scan)
        entry.attrs["NX_class"] = "NXentry"
        instrument = entry.create_group("instrument")
        instrument.attrs["NX_class"] = "NXinstrument"
        mono = instrument.create_group("mono")
        mono.attrs["NX_class"] = "NXmonochromator"
        mono["energy"] = energy
        mono["energy"].attrs["units"] = "KEV"
        if scan != "1.1":
            detector = instrument.create_group("mpx")
            detector.attrs["NX_class"] = "NXdetector"
            detector["data"] = counts(4 if scan == "2.1" else 5)
            mask = np.zeros((6, 8), "u1")
            mask[2, 3] = 1
            detector["mask"] = mask
            entry["measurement/mpx"] = h5py.SoftLink(f"/{scan}/instrument/mpx/data")
with h5("cameras.h5") as file:
    entry = file.create_group("scan")
    entry.attrs["NX_class"] = "NXentry"
    instrument = entry.create_group("instrument")
    instrument.attrs["NX_class"] = "NXinstrument"
    detector = instrument.create_group("mpx")
    detector.attrs["NX_class"] = "NXdetector"
    detector["data"] = counts(4)
    entry["camera/frames"] = np.ones((4, 60, 80), "u2")
    entry["spectra"] = np.ones((4, 4, 4096), "u4")
with h5("merlin.h5") as file:
    file["entry/measurement/merlin/frames"] = counts(4)
    file["entry/measurement/xspress3/frames"] = np.ones((4, 4, 4096), "u4")
with h5("old.nxs") as file:
    group = file.create_group("entry1/pixis")
    group["counts"], group["corrected"] = counts(4), counts(4) * 2
    group["counts"].attrs["signal"] = 1


# Units.
def geometry(name, **values):
    with h5(name) as file:
        file["entry_1/data_1/data"] = counts(1)[0]
        for path, (value, unit) in values.items():
            path = "entry_1/instrument_1/" + path.replace("__", "/")
            file[path] = value
            if unit is not None:
                file[path].attrs["units"] = unit


geometry("bare_energy.h5", beam_1__incident_energy=(8000.0, None), detector_1__distance=(0.5, None))
geometry("far.h5", detector_1__distance=(185.0, "m"), source_1__energy=(8000.0, None))
geometry(
    "cases.h5", beam_1__incident_energy=(9.0, "KEV"), detector_1__distance=(-850.0, "MM"),
    detector_1__x_pixel_size=(55.0, "UM"), detector_1__y_pixel_size=(0.055, "Mm"),
)  # fmt: skip

# A unit that is there but empty, a distance that leads nowhere, a mask that does, a text with its unit.
with h5("damaged.h5") as file:
    file["entry_1/data_1/data"] = counts(4)
    file["entry_1/data_1/mask"] = h5py.ExternalLink("gone.h5", "/mask")
    detector = file.create_group("entry_1/instrument_1/detector_1")
    detector["distance"] = 1.2
    detector["distance"].attrs["units"] = h5py.Empty("S1")
    detector["x_pixel_size"] = h5py.ExternalLink("gone.h5", "/x")
    file["entry_1/instrument_1/beam_1/incident_wavelength"] = "0.1 nm"
    file["entry_1/instrument_1/detector_1/mask"] = np.zeros(48, "u1")

with h5("scaled.h5") as file:
    file["entry/data/data"] = counts(4)
    file["entry/data/data"].attrs["scale_factor"] = 0.5
(folder / "moved").mkdir()
for z in range(3):
    (folder / f"moved/f_{z}.edf").write_bytes(edf(stack[z], f"SampleDistance = {1.2 if z < 2 else 1.3} ;\r\n"))

# Masks.
bad = np.zeros((6, 8), "u1")
bad[2, 3] = 1
np.savez(folder / "good_mask.npz", data=counts(4), mask=1 - bad)
np.savez(folder / "no_mask.npz", data=counts(4), mask=np.ma.nomask)
full = np.zeros((40, 50), "u4")
full[12, 23] = 1
for name, stated in (("region.h5", True), ("region_unstated.h5", False)):
    with h5(name) as file:
        file["entry/data/data"] = counts(4)
        specific = file.create_group("entry/instrument/detector/detectorSpecific")
        specific["pixel_mask"] = full
        specific["roi_y_min"] = 10
        if stated:
            specific["roi_x_min"] = 20
np.savez(folder / "turned_mask.npz", data=counts(4), mask=np.zeros((8, 6), "u1"))

# Axes.
with h5("axes.h5") as file:
    file["middle"], file["last"] = counts(4)[:, None], counts(4)[..., None]
    file["volumes"] = np.stack([counts(4), counts(8)[4:]])
    file["reversed"] = counts(4).transpose(2, 1, 0)
    file["matlab"] = counts(4)
    file["matlab"].attrs["MATLAB_class"] = np.bytes_("double")
np.save(folder / "middle.npy", counts(4)[:, None])

# A stack much larger than what is asked of it.
with h5("large.h5") as file:
    data = file.create_dataset("entry/data/data", (20, 2000, 2000), "u4", chunks=(1, 200, 200), compression="gzip")
    data[:, 1000:1006, 1000:1008] = counts(20)
