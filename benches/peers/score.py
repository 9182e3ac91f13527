"""Scores a result against the truth, the same for every program: score.py INPUT.npz TRUTH.npy RESULT.npz prints one JSON object.

error: |c object - truth| / |truth|, least over what diffraction cannot tell: twin, shift, phase ramp and complex scale.
llk: Poisson deviance over two, a measured pixel, at the scale that is likeliest.
"""

import json
import sys

import numpy as np
import scipy.fft

ALIGNMENTS = 5


def peak(field):
    """Where |field| is largest, in pixels from index 0 and to a fraction of one: a parabola along each axis."""
    modulus = np.abs(field)
    at = np.unravel_index(modulus.argmax(), modulus.shape)
    position = []
    for axis, n in enumerate(modulus.shape):
        before, here, after = (modulus[at[:axis] + ((at[axis] + step) % n,) + at[axis + 1 :]] for step in (-1, 0, 1))
        bend = before - 2 * here + after
        position.append(at[axis] + (0.5 * (before - after) / bend if bend else 0) - (n if at[axis] > n // 2 else 0))
    return position


def multiply_by_ramp(field, slope):
    """Multiplies by exp(-2 pi i slope k / n) along each axis, in place; k runs from 0 and is negative in the upper half."""
    for axis, (n, per_pixel) in enumerate(zip(field.shape, slope)):
        wave = np.exp(-2j * np.pi * scipy.fft.fftfreq(n) * per_pixel).astype(np.complex64)
        field *= wave.reshape([-1 if k == axis else 1 for k in range(field.ndim)])


def error(object, truth):
    """Both with the origin at index 0."""
    reference, reference_modulus = scipy.fft.fftn(truth), scipy.fft.fftn(np.abs(truth))
    for turn in range(ALIGNMENTS):
        field = scipy.fft.fftn(object)
        # The first time moduli only: a phase ramp would hide the shift.
        product = reference_modulus * np.conj(scipy.fft.fftn(np.abs(object))) if turn == 0 else reference * np.conj(field)
        multiply_by_ramp(field, peak(scipy.fft.ifftn(product)))
        object = scipy.fft.ifftn(field)
        multiply_by_ramp(object, peak(scipy.fft.fftn(object * np.conj(truth))))
    scale = np.vdot(object, truth) / np.vdot(object, object)
    return float(np.linalg.norm(scale * object - truth) / np.linalg.norm(truth))


def llk(object, iobs, measured):
    observed = iobs[measured].astype(np.float64)
    calculated = np.square(np.abs(scipy.fft.fftn(object, norm="ortho")))[measured].astype(np.float64)
    calculated = np.maximum(calculated * observed.sum() / calculated.sum(), 1e-8)
    deviance = calculated - observed
    some = observed > 0
    deviance[some] += observed[some] * np.log(observed[some] / calculated[some])
    return float(deviance.mean())


def main(input, truth, result):
    truth = scipy.fft.ifftshift(np.load(truth))
    with np.load(input) as file:
        iobs, mask = (scipy.fft.ifftshift(file[name]) for name in ("iobs", "mask"))
    with np.load(result) as file:
        object = scipy.fft.ifftshift(file["obj"] * (file["support"] > 0))
    # The twin: conjugated, and turned about index 0.
    twin = np.conj(np.roll(np.flip(object), 1, range(object.ndim)))
    print(json.dumps({"error": min(error(object, truth), error(twin, truth)), "llk": llk(object, iobs, mask == 0)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
