"""Checks files written by lacuna with h5py and numpy.

usage: read_result.py PATTERN.cxi RESULT.cxi RESULT.npz
"""
import json
import sys

import h5py
import numpy as np

pattern_path, result_path, npz_path = sys.argv[1:]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def check_common(file):
    assert file["cxi_version"][()] == 160
    assert file.attrs["NX_class"] == "NXroot" and file.attrs["default"] == "entry_1"
    assert file.get("entry_last", getlink=True).path == "/entry_1"
    entry = file["entry_last"]
    assert entry.attrs["NX_class"] == "NXentry"
    assert text(entry["program_name"][()]) == "lacuna"
    # What silx view shows first: the signal of the default group.
    default = entry[entry.attrs["default"]]
    assert default.attrs["NX_class"] == "NXdata" and default.attrs["signal"] in default
    detector = entry["instrument_1/detector_1"]
    assert detector["data"].dtype == np.float32 and detector["data"].compression == "gzip" and detector["data"].shuffle
    assert detector["mask"].dtype == np.uint8 and detector["mask_bits"].dtype == np.uint32
    data, mask, bits = (detector[name][()] for name in ("data", "mask", "mask_bits"))
    assert data.ndim == (2 if data.size == 90 else 3)
    assert mask.sum() == 1 and bits.max() == 0x200
    z, y, x = np.mgrid[: data.size // 90, :9, :10]
    expected = (100 * z + 10 * y + x).reshape(data.shape)
    assert (data[mask == 0] == expected[mask == 0]).all() and (data[mask == 1] == 77).all()
    for name, value in [("distance", 2.0), ("y_pixel_size", 55e-6), ("x_pixel_size", 75e-6)]:
        assert detector[name][()] == value and detector[name].attrs["units"] == "m"
    assert entry["instrument_1/source_1/energy"][()] == 1.5e-15
    assert set(entry["estimate_1"]) == {"at", "mean", "lower", "upper"}
    return entry, expected


def check_process(process):
    assert text(process["command"][()]) == "lacuna phase" and text(process["program"][()]) == "lacuna"
    configuration = process["configuration"]
    assert configuration["beta"][()] == 0.9 and configuration["nb_run"][()] == 20
    assert text(configuration["recipe"][()]) == "ER**200" and configuration["support/threshold"][()] == 0.25
    assert json.loads(configuration["json"][()])["support"] == {"threshold": 0.25}
    assert process["results/llk_poisson"][()] == 1.25 and process["results/free_llk_poisson"][()] == 1.5


with h5py.File(pattern_path) as file:
    entry, expected = check_common(file)
    assert (entry["data_1/data"][()] == entry["instrument_1/detector_1/data"][()]).all()
    assert entry["image_1/support"].shape == expected.shape
    check_process(entry["process_1"])

with h5py.File(result_path) as file:
    entry, expected = check_common(file)
    image = entry["image_1"]
    assert image["data"].dtype == np.complex64
    # The object is made from the measured intensities, the pattern's data hold the estimate in the gap.
    obj = image["data"][()]
    assert (obj == expected * (1 - 1j)).all()
    assert (image["support"][()] == (expected > 50)).all() and (image["mask"][()] == image["support"][()]).all()
    assert image.get("support", getlink=True).path == "/entry_1/image_1/mask"
    assert (entry["data_1/data"][()] == obj).all()
    phase = image["phase"]
    assert phase.attrs["units"] in ("rad", b"rad") and np.allclose(phase[()], np.angle(obj))
    psf = image["instrument_1/detector_1/point_spread_function"]
    assert psf.shape == (3, 3, 5)[3 - obj.ndim :] and (psf[()] == 0.25).all()
    check_process(image["process_1"])
    assert (entry["runs_1/run_0001"][()] == obj).all() and entry["modes_1/weights"][()] == [1.0]
    prtf = entry["curves_1/prtf"]
    assert prtf.attrs["signal"] == "y" and list(prtf["x"]) == [0, 0.5] and list(prtf["y"]) == [1, 0.25]

with np.load(npz_path) as npz:
    assert npz["obj"].dtype == np.complex64 and (npz["obj"] == expected * (1 - 1j)).all()
    assert npz["support"].dtype == np.uint8 and (npz["support"] == (expected > 50)).all()
    assert npz["mask"].sum() == 1 and npz["mask_bits"].max() == 0x200
    assert npz["iobs"].shape == expected.shape and npz["runs"].shape == (1, *expected.shape)
    assert json.loads(str(npz["settings"]))["nb_run"] == 20 and str(npz["command"]) == "lacuna phase"
    assert npz["curve_prtf"].shape == (2, 2) and npz["pixel_size_m"].tolist() == [55e-6, 75e-6]
