"""A crystal as lacuna wrote it, read by h5py, silx, numpy, mat73 and VTK: the files, then what they should say as JSON."""

import json
import sys

import h5py
import mat73
import numpy as np
from silx.io import nxdata
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLStructuredGridReader

h5, npz, vti, vts, mat, truth = sys.argv[1:]
with open(truth) as file:
    truth = json.load(file)


def box(inside, x, y, z):
    """Extents of the places inside, nm."""
    return [np.ptp(v[inside]) for v in (x, y, z)]


def close(found, expected, part):
    assert np.allclose(found, expected, rtol=part), (found, expected)


with h5py.File(h5) as file:
    assert file["entry_1"].attrs["default"] == "strain"
    group = file["entry_1/strain"]
    assert list(group.attrs["axes"]) == ["z", "y", "x"] and group["x"].attrs["units"] == "nm"
    x, y, z = (group[name][()] for name in "xyz")
    strain = group["data"][()]
    support = file["entry_1/support/data"][()] > 0.5
    assert strain.shape == (len(z), len(y), len(x))
    assert np.isnan(strain[~support]).all()
    # Unknown where a voxel at an edge has no neighbour along an axis.
    assert np.isfinite(strain[support]).mean() > 0.98
    displacement = file["entry_1/displacement/data"][()]
    assert abs(file["entry_1/process_1/results/d_spacing_angstrom"][()] - truth["d_spacing_angstrom"]) < 1e-9
Z, Y, X = np.meshgrid(z, y, x, indexing="ij")
extents = box(support, X, Y, Z)
close(extents, truth["size_nm"], 0.25)

# What silx view opens on, and how it draws it.
with h5py.File(h5) as file:
    shown = nxdata.get_default(file)
    assert shown is not None and shown.is_valid and shown.signal.shape == strain.shape
    assert [name.split(" ")[0] for name in shown.axes_names] == ["z", "y", "x"]
    assert all(np.array_equal(axis[()], values) for axis, values in zip(shown.axes, (z, y, x)))

with np.load(npz) as file:
    # Per cent and angstroms, as cdiutils has them.
    assert np.allclose(file["het_strain"], 100 * strain, equal_nan=True, atol=1e-9)
    assert np.allclose(file["displacement"], 10 * displacement, equal_nan=True, atol=1e-6)
    assert np.isclose(np.nanmean(file["dspacing"]), truth["d_spacing_angstrom"], rtol=1e-3)
    assert file["amplitude"].shape == strain.shape
    close(file["origin"] * 1e9, [x[0], y[0], z[0]], 1e-6)

reader = vtkXMLImageDataReader()
reader.SetFileName(vti)
reader.Update()
image = reader.GetOutput()
assert image.GetDimensions() == (len(x), len(y), len(z))
close(image.GetSpacing(), [x[1] - x[0]] * 3, 1e-5)
close(image.GetOrigin(), [x[0], y[0], z[0]], 1e-5)
array = vtk_to_numpy(image.GetPointData().GetArray("strain")).reshape(strain.shape)
assert np.array_equal(array, strain, equal_nan=True)

reader = vtkXMLStructuredGridReader()
reader.SetFileName(vts)
reader.Update()
grid = reader.GetOutput()
places = vtk_to_numpy(grid.GetPoints().GetData())
inside = vtk_to_numpy(grid.GetPointData().GetArray("support")) > 0.5
assert inside.sum() == truth["voxels"]
close(box(inside, *places.T), truth["size_nm"], 0.2)

# MATLAB's first index runs along x.
saved = mat73.loadmat(mat)
assert np.array_equal(saved["strain"].transpose(), strain, equal_nan=True)
assert np.allclose(np.ravel(saved["x"]), x) and np.allclose(np.ravel(saved["z"]), z)
assert json.loads(saved["units"])["displacement"] == "nm"
assert json.loads(saved["results"])["voxels"] == truth["voxels"]
with open(mat, "rb") as file:
    head = file.read(128)
assert head.startswith(b"MATLAB 7.3 MAT-file") and head[124:] == b"\x00\x02IM"
