"""Writes scans as beamlines leave them, into a folder. The values are known to tests/beamlines.rs.

Frames are 9 x 10 pixels, 6 a scan, value 1000 (z + 1) + 10 y + x; the rocking curve is 20.0 to 20.5 degrees, the flux 100 + z.

usage: write_beamlines.py FOLDER
"""
import gzip
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import tifffile

folder = Path(sys.argv[1])
z, y, x = np.mgrid[:6, :9, :10]
counts = (1000 * (z + 1) + 10 * y + x).astype("u4")
rocking = 20.0 + 0.1 * np.arange(6)
flux = 100.0 + np.arange(6)
bad = np.zeros((9, 10), "u1")
bad[2, 3] = 1


def h5(name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return h5py.File(path, "w")


def put(group, path, value, units=None, **attributes):
    group[path] = value
    if units is not None:
        group[path].attrs["units"] = units
    for name, text in attributes.items():
        group[path].attrs[name] = text


def entry(file, name, **children):
    group = file.create_group(name)
    group.attrs["NX_class"] = "NXentry"
    return group


# ID01, BLISS: many scans in a file, the detector's data in instrument, linked from measurement.
def bliss_scan(file, name, detector="mpx1x4", scale=1, positions=rocking):
    scan = entry(file, name)
    instrument = scan.create_group("instrument")
    instrument.attrs["NX_class"] = "NXinstrument"
    group = instrument.create_group(detector)
    group.attrs["NX_class"] = "NXdetector"
    group.create_dataset("data", data=counts * scale, chunks=(1, 9, 10), **hdf5plugin.Bitshuffle(cname="lz4"))
    put(group, "distance", 0.95, "m")
    put(group, "x_pixel_size", 55e-6, "m")
    put(group, "y_pixel_size", 55e-6, "m")
    put(group, "beam_center_x", 5.5)
    put(group, "beam_center_y", 4.0)
    group["mask"] = bad
    scan[f"measurement/{detector}"] = h5py.SoftLink(f"/{name}/instrument/{detector}/data")
    positioners = instrument.create_group("positioners")
    put(positioners, "eta", positions, "deg")
    for motor, angle in {"mu": 0.0, "phi": 12.5, "nu": 3.0, "delta": 34.25}.items():
        put(positioners, motor, angle, "deg")
    put(positioners, "mononrj", 9.0)
    scan["measurement/imon"] = flux
    scan["measurement/dark"] = flux * 0


with h5("id01/gold.h5") as file:
    for number, scale in ((1, 1), (12, 2)):
        bliss_scan(file, f"gold_{number}.1", scale=scale)
    align = entry(file, "gold_2.1")
    align["measurement/imon"] = flux
with h5("id01/one.h5") as file:
    bliss_scan(file, "7.1", "eiger2M")
    # One position fewer than frames, and a unit of something else.
    file["7.1/measurement/short"] = flux[:-1]
    del file["7.1/instrument/positioners/phi"]
    put(file, "7.1/instrument/positioners/phi", 12.5, "mm")
with h5("id01/aborted.h5") as file:
    bliss_scan(file, "8.1", positions=rocking[:-1])
with h5("id01/two.h5") as file:
    bliss_scan(file, "9.1")
    file["9.1/measurement/mpxgaas"] = counts
with h5("id01/energy.h5") as file:
    bliss_scan(file, "9.1")
    file["9.1/instrument/positioners/mononrj"][()] = 9000.0

# A scan that can be prepared: a peak at frame 8, row 11, column 13 of 16 x 24 x 28, in a beam that fades.
grid = np.mgrid[:16, :24, :28]
distance = sum((axis - middle) ** 2 for axis, middle in zip(grid, (8, 11, 13)))
flux_16 = 100.0 - np.arange(16)
peak = (5000 * np.exp(-distance / 12) + 2) * (flux_16 / flux_16.mean())[:, None, None]
with h5("id01/peak.h5") as file:
    bliss_scan(file, "5.1", positions=20.0 + 0.1 * np.arange(16))
    del file["5.1/instrument/mpx1x4/data"], file["5.1/instrument/mpx1x4/mask"], file["5.1/measurement/imon"]
    file["5.1/instrument/mpx1x4/data"] = peak.astype("f4")
    file["5.1/measurement/imon"] = flux_16


# SPEC files.
HEADER = """#F /data/exp.spec
#E 1510000000
#D Mon Nov 06 20:26:40 2017
#C exp  User = opid01
#O0 {names}
#O1 {more}

"""


def spec_scan(number, command, positions, columns):
    lines = [f"#S {number} {command}", "#D Mon Nov 06 20:30:00 2017", "#T 1  (Seconds)", "#Q 0 0 0"]
    lines += [f"#P{i} " + " ".join(str(value) for value in values) for i, values in enumerate(positions)]
    lines += [f"#N {len(columns)}", "#L " + "  ".join(columns)]
    lines += [" ".join(str(value) for value in row) for row in zip(*columns.values())]
    return "\n".join(lines) + "\n\n"


def edf(path, frame, packed=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fabio

        plain = path.with_suffix("") if packed else path
        fabio.edfimage.EdfImage(data=frame).write(str(plain))
        raw = plain.read_bytes()
        plain.unlink()
    except ImportError:
        keys = "Image = 1 ;\r\nByteOrder = LowByteFirst ;\r\nDataType = UnsignedInteger ;\r\nDim_1 = 10 ;\r\nDim_2 = 9 ;\r\n"
        text = f"{{\r\n{keys}Size = {frame.nbytes} ;\r\n"
        raw = text.encode() + b" " * (512 - len(text) - 3) + b"}\r\n" + frame.tobytes()
    path.write_bytes(gzip.compress(raw) if packed else raw)


text = HEADER.format(names="mu  eta  phi  chi", more="nu  del  nrj")
fixed = [[0.0, 20.0, 12.5, 0.0], [3.0, 34.25, 9.0]]
for number, first in ((3, 100), (4, 200)):
    columns = {"eta": rocking, "mpx4inr": np.arange(first, first + 6), "exp1": flux, "Detector counts": flux * 3}
    text += spec_scan(number, "ascan eta 20 20.5 5 1", fixed, columns)
(folder / "id01-spec").mkdir()
(folder / "id01-spec/align.spec").write_text(text)
for i, frame in enumerate(counts):
    if i != 4:
        edf(folder / f"id01-spec/images/data_mpx4_{100 + i:05}.edf.gz", frame)
    edf(folder / f"id01-spec/images/data_mpx4_{200 + i:05}.edf.gz", frame * 2)

# 34-ID-C: the number of the scan ends the name of the folder of its frames.
text = HEADER.format(names="Theta  Chi  Phi  Delta  Gamma", more="camdist  Energy  Two Theta")
for number in (53, 54):
    columns = {"Theta": rocking, "Epoch": np.arange(6), "Seconds": np.ones(6), "Monitor": flux, "Detector": flux}
    positions = [[20.0, 90.0, 12.5, 34.25, 3.0], [500.0, 9.0, 0.0]]
    text += spec_scan(number, "ascan  th 20 20.5 5 1", positions, columns)
(folder / "34idc").mkdir()
(folder / "34idc/Staff20.spec").write_text(text)
(folder / "34idc/Other.spec").write_text(text.replace("500.0", "900.0"))
for number in (53, 54):
    home = folder / f"34idc/AD34idcTIM2_Staff20/Staff20_S{number:04}"
    home.mkdir(parents=True)
    for i, frame in enumerate(counts.astype("u2")):
        tifffile.imwrite(home / f"Staff20_S{number:04}_{i:05}.tif", frame * (number - 52))

# P10: an Eiger master whose .fio file is one folder up; its master names another energy.
home = folder / "p10/gold_00042/e4m"
home.mkdir(parents=True)
for part in (1, 2):
    with h5(f"p10/gold_00042/e4m/gold_00042_data_{part:06}.h5") as file:
        data = counts[3 * part - 3 : 3 * part]
        file.create_dataset("entry/data/data", data=data, chunks=(1, 9, 10), **hdf5plugin.Bitshuffle(cname="lz4"))
with h5("p10/gold_00042/e4m/gold_00042_master.h5") as file:
    for part in (1, 2):
        file[f"entry/data/data_{part:06}"] = h5py.ExternalLink(f"gold_00042_data_{part:06}.h5", "/entry/data/data")
    detector = file.create_group("entry/instrument/detector")
    detector.attrs["NX_class"] = "NXdetector"
    put(detector, "detectorSpecific/photon_energy", 8170.0, "eV")
    put(detector, "x_pixel_size", 75e-6, "m")
    put(detector, "y_pixel_size", 75e-6, "m")
    put(detector, "detector_distance", 1.83, "m")
    detector["detectorSpecific/pixel_mask"] = bad.astype("u4")
    detector["detectorSpecific/nimages"], detector["detectorSpecific/ntrigger"] = 6, 1
rows = "".join(f" {angle} {value} {0.0}\n" for angle, value in zip(rocking, flux))
(folder / "p10/gold_00042/gold_00042.fio").write_text(
    "!\n! Comments\n%c\nascan om 20.0 20.5 5 1.0\nuser p10user, acquisition started at Thu Mar 17 2022\n!\n! Parameter\n%p\n"
    "chi = 90.0\ndel = 34.25\nfmbenergy = 9000.0\ngam = 3.0\nmu = 0.0\nom = 20.0\nphi = 12.5\nsample = gold\n!\n! Data\n%d\n"
    " Col 1 om DOUBLE\n Col 2 curpetra DOUBLE\n Col 3 dark DOUBLE\n" + rows
)

# NanoMAX.
with h5("nanomax/000042.h5") as file:
    file.create_dataset("entry/measurement/eiger500k/frames", data=counts, chunks=(1, 9, 10), compression="gzip")
    file["entry/measurement/gontheta"] = rocking
    file["entry/measurement/alba2"] = flux
    file["entry/measurement/xspress3/frames"] = np.ones((6, 4, 40), "u4")
    for name, value in {"gontheta": 20.0, "gonphi": 12.5, "gamma": 3.0, "delta": 34.25, "energy": 9000.0}.items():
        file[f"entry/snapshots/post_scan/{name}"] = [value]

# SIXS.
group = "com/SIXS/i14-c-cx1-ex-med-v-dif-group.1"
with h5("sixs/align_2022.nxs") as file:
    file["com/scan_data/data_10"] = counts
    file["com/scan_data/data_03"] = flux
    file["com/scan_data/actuator_1_1"] = rocking
    for name, value in {"mu": 20.0, "omega": 12.5, "delta": 3.0, "gamma": 34.25}.items():
        put(file, f"{group}/{name}/position", [value])
    file["com/SIXS/i14-c-c02-op-mono/energy"] = [9.0]
with h5("sixs/align_2019.nxs") as file:
    file["com/scan_data/data_10"] = counts
    file["com/scan_data/data_03"] = flux
    file["com/scan_data/data_07"] = rocking
    for name, value in {"mu": 20.0, "omega": 12.5, "delta": 3.0, "gamma": 34.25}.items():
        put(file, f"com/SIXS/i14-c-cx1-ex-med-h-dif-{name}/position_pre", [value])
    file["com/SIXS/i14-c-c02-op-mono/energy"] = [9.0]

# CRISTAL.
with h5("cristal/S42.nxs") as file:
    for number in (41, 42):
        scan = entry(file, f"exp_{number:04}")
        scan["scan_data/data_06"] = counts * (number - 40)
        scan["scan_data/data_04"] = flux
        scan["scan_data/actuator_1_1"] = rocking
        scan["scan_config/name"] = "mg_omega_ascan"
        for name, value in {"i06-c-c07-ex-mg_omega": 20.0e6, "i06-c-c07-ex-mg_phi": 12.5}.items():
            put(scan, f"CRISTAL/{name}/position", [value])
        for name, value in {"I06-C-C07-EX-DIF-GAMMA": 3.0, "I06-C-C07-EX-DIF-DELTA": 34.25}.items():
            put(scan, f"CRISTAL/Diffractometer/{name}/position", [value])
        scan["CRISTAL/Monochromator/energy"] = [9.0]
