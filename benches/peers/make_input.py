"""Simulates one input with its truth: make_input.py 512x512 FOLDER writes 512x512.npz (iobs, mask, support) and 512x512-truth.npy.

2D: a seven-sided particle of varying amplitude and phase behind a cross of eight pixels; 3D: a faceted crystal with strain and a slab of six.
The origin is in the middle. Poisson counts of |FT|², unitary transform.
"""

import sys

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter

# Photons per voxel: enough that PyNX, whose supports end where the threshold is below one photon's amplitude, takes the object.
PHOTONS = {2: 400, 3: 5}


def smooth(random, n, blur):
    field = gaussian_filter(random.standard_normal((n, n)), blur * n / 512)
    return np.clip(field / field.std() / 2, -1, 1)


def particle(random, n):
    y, x = (axis - np.float32(n // 2) for axis in np.ogrid[:n, :n])
    angles = np.deg2rad([5, 62, 118, 160, 215, 262, 318])
    distances = n * np.array([0.105, 0.125, 0.10, 0.135, 0.115, 0.095, 0.13])
    inside = np.ones((n, n), bool)
    for angle, distance in zip(angles, distances):
        inside &= x * np.cos(angle) + y * np.sin(angle) < distance
    object = inside * (0.75 + 0.25 * smooth(random, n, 5)) * np.exp(1.2j * smooth(random, n, 12))
    mask = np.zeros((n, n), bool)
    mask[n // 2 + n // 12 :][:8] = True
    mask[:, n // 2 - n // 9 :][:, :8] = True
    return object, mask, (abs(x) < 0.17 * n) & (abs(y) < 0.17 * n)


def crystal(random, n):
    z, y, x = (axis - np.float32(n // 2) for axis in np.ogrid[:n, :n, :n])
    normals = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    normals += [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    distances = [0.19, 0.17, 0.20, 0.18, 0.15, 0.17, 0.175, 0.19, 0.17, 0.185, 0.18, 0.20, 0.165, 0.185]
    inside = np.ones((n, n, n), bool)
    for normal, distance in zip(normals, distances):
        a, b, c = normal / np.linalg.norm(normal)
        inside &= a * z + b * y + c * x < distance * n
    s = n / 128
    strain = 1.6 * np.exp(-((x - 6 * s) ** 2 + (y + 4 * s) ** 2 + (z - 3 * s) ** 2) / (2 * (8 * s) ** 2))
    strain -= 1.1 * np.exp(-((x + 9 * s) ** 2 + (y - 7 * s) ** 2 + (z + 5 * s) ** 2) / (2 * (9 * s) ** 2))
    # The peak of a crystal is seldom in the middle of a pixel.
    ramp = 2 * np.pi * (0.6 * x + 0.4 * y - 0.3 * z) / n
    object = gaussian_filter(inside.astype(np.float32), 0.6) * inside * np.exp(1j * (strain + ramp).astype(np.complex64))
    mask = np.zeros((n, n, n), bool)
    mask[:, n // 2 + n // 8 :][:, :6] = True
    return object, mask, (abs(x) < 0.24 * n) & (abs(y) < 0.24 * n) & (abs(z) < 0.24 * n)


def main(size, folder):
    shape = [int(extent) for extent in size.split("x")]
    if len(set(shape)) > 1 or len(shape) not in PHOTONS:
        sys.exit(f"{size}: squares and cubes only")
    random = np.random.default_rng(20)
    object, mask, support = (particle if len(shape) == 2 else crystal)(random, shape[0])
    object = object.astype(np.complex64)
    photons = PHOTONS[len(shape)] * object.size
    object *= np.float32(np.sqrt(photons / np.square(np.abs(object), dtype=np.float64).sum()))
    field = scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(object), norm="ortho"))
    iobs = random.poisson(np.square(np.abs(field))).astype(np.float32)
    iobs[mask] = 0
    np.save(f"{folder}/{size}-truth.npy", object)
    # Last, since run.py makes what is not there. Not compressed: reading is not what is compared.
    np.savez(f"{folder}/{size}.npz", iobs=iobs, mask=mask.astype(np.uint8), support=support.astype(np.uint8))


if __name__ == "__main__":
    main(*sys.argv[1:])
