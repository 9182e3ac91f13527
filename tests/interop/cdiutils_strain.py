"""Strain of a crystal that lacuna wrote (.h5), and that which cdiutils finds on the same cubes, two cubes below the
surface: root mean squares, correlation, difference. By hand; needs cdiutils."""

import json
import sys

import h5py
import numpy as np
from cdiutils.process.postprocessor import PostProcessor
from scipy.ndimage import binary_erosion

with h5py.File(sys.argv[1]) as file:
    entry = file["entry_1"]
    modulus, phase, strain = (entry[name]["data"][()] for name in ("modulus", "phase", "strain"))
    inside = entry["support/data"][()] > 0.5
    x = entry["strain/x"][()]
    q = json.loads(entry["process_1/results/q_per_angstrom"][()])

# Arrays are (z, y, x), and so is the momentum transfer. A low surface keeps all that is inside.
crystal = np.where(inside, modulus * np.exp(1j * np.nan_to_num(phase)), 0)
found = PostProcessor.get_structural_properties(
    crystal, isosurface=0.02, g_vector=np.array(q[::-1]), hkl=(1, 1, 1), voxel_size=(x[1] - x[0],) * 3
)


def padded(values, shape):
    out = np.zeros(shape)
    out[tuple(slice(n) for n in values.shape)] = np.nan_to_num(values)
    return out


# cdiutils crops and centres: brought back by the supports.
shape = np.maximum(strain.shape, found["het_strain"].shape)
ours, theirs = padded(strain, shape), padded(found["het_strain"] / 100, shape)
here, there = padded(inside, shape), padded(found["support"], shape)
overlap = np.fft.ifftn(np.fft.fftn(here) * np.conj(np.fft.fftn(there))).real
shift = np.unravel_index(overlap.argmax(), shape)
theirs, there = (np.roll(values, shift, (0, 1, 2)) for values in (theirs, there))
deep = binary_erosion((here > 0) & (there > 0), iterations=2)
print(f"{deep.sum()} cubes: lacuna {ours[deep].std():.2e}, cdiutils {theirs[deep].std():.2e} root mean square")
print(f"correlation {np.corrcoef(ours[deep], theirs[deep])[0, 1]:.3f}, difference {(ours - theirs)[deep].std():.2e}")
