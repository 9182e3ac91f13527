"""Checks a data set of four ramps written by lacuna with h5py.

usage: read_set.py SET.h5
"""
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1]) as file:
    attributes = file.attrs
    assert (attributes["format"], attributes["format_version"]) == ("lacuna-set", 1)
    assert (attributes["recipe_name"], attributes["seed"], attributes["count"]) == ("ramp", 7, 4)
    assert attributes["recipe"] == "[object]\nsize = 3" and "lacuna_version" in attributes
    frames = attributes["shape"][0]
    i, z, y, x = np.mgrid[:4, :frames, :9, :10]
    ramp = 1000 * i + 100 * z + 10 * y + x
    if frames == 1:
        ramp = ramp[:, 0]
    names = {"intensity": "f4", "counts": "u4", "mask": "u2", "object": "c8", "support": "u1"}
    for name, kind in names.items():
        array = file[name]
        assert array.dtype == np.dtype(kind) and array.shape == ramp.shape, (name, array)
        assert array.chunks == (1, *ramp.shape[1:]) and array.compression == "gzip" and array.shuffle
    assert (file["counts"][()] == ramp).all() and (file["intensity"][()] == ramp).all()
    assert (file["object"][2] == ramp[2] * (1 - 1j)).all()
    assert (file["mask"][()] == 0x200 * (ramp % 10 == 3)).all() and (file["support"][()] == (ramp > 50)).all()
    # What silx view shows first.
    view = file[attributes["default"]]
    assert view.attrs["NX_class"] == "NXdata" and (view[view.attrs["signal"]][()] == ramp).all()
    assert file["split"][()].tolist() == [0, 0, 2, 0] and file["particle"][()].tolist() == [10, 11, 12, 13]
    splits = {name: list(values[()]) for name, values in file["splits"].items()}
    assert splits == {"train": [0, 1, 3], "validation": [], "test": [2]}
    parameters = file["parameters"]
    assert set(parameters) == {"photons", "cell", "shape", "twinned"}
    assert np.array_equal(parameters["photons"][()], [0, np.nan, 1, 1.5], equal_nan=True)
    assert parameters["cell"][()].tolist() == [[0, 2], [1, 2], [2, 2], [3, 2]]
    assert parameters["shape"].asstr()[()].tolist() == ["rod", "rod", "Würfel", "rod"]
    assert parameters["twinned"][()].tolist() == [0, 0, 0, 1]
