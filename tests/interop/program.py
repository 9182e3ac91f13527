"""Writes a pattern with h5py as another program might, or reads what `lacuna run` made of it.

usage: program.py write PATTERN.h5
       program.py read PATTERN.h5 RESULT.cxi
"""
import json
import sys

import h5py
import numpy as np

verb, pattern = sys.argv[1:3]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


if verb == "write":
    y, x = np.mgrid[-32:32, -32:32]
    obj = ((abs(y) < 9) & (abs(x) < 7) & ~((y < -2) & (x > 1))) * (50.0 + 3 * x)
    counts = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(obj), norm="ortho"))) ** 2
    mask = np.zeros((64, 64), "u1")
    mask[40:43] = 1
    with h5py.File(pattern, "w") as file:
        file.create_dataset("scan/counts", data=np.random.default_rng(0).poisson(counts).astype("u4"), compression="gzip")
        file["scan/bad"] = mask
else:
    with h5py.File(sys.argv[3]) as file:
        image = file["entry_last/image_1"]
        obj, support = image["data"][()], image["support"][()]
        assert obj.dtype == np.complex64 and obj.shape == (64, 64) and np.isfinite(obj).all() and abs(obj).max() > 0
        assert (file["entry_last/data_1/data"][()] == obj).all()
        assert support.shape == obj.shape and 0 < support.mean() < 0.5
        process = image["process_1"]
        assert text(process["command"][()]).find("--seed 3") > 0
        assert process["configuration/seed"][()] == 3
        results = process["results"]
        assert 0 < results["r_factor"][()] < 1 and np.isfinite(results["free_llk_poisson"][()])
        assert json.loads(text(process["configuration/json"][()]))["seed"] == 3
        mask = file["entry_last/instrument_1/detector_1/mask"][()]
        assert mask[40:43].all() and not mask[:40].any()
        # The transform of the object inside its support is the measured modulus, as far as the R factor says.
        with h5py.File(pattern) as measured:
            modulus = np.sqrt(measured["scan/counts"][()])
        icalc = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(obj * support), norm="ortho")))
        good = mask == 0
        r_factor = np.sqrt(((icalc - modulus)[good] ** 2).sum() / (modulus[good] ** 2).sum())
        assert r_factor < 0.5, r_factor
