"""Momentum transfer of grids that lacuna wrote, against xrayutilities: arguments are JSON files."""

import json
import sys

import numpy as np
import xrayutilities as xu

for path in sys.argv[1:]:
    with open(path) as file:
        case = json.load(file)
    sample, detector = case["sample"], case["detector"]
    conversion = xu.experiment.QConversion(
        [axis for axis, _ in sample], [axis for axis, _ in detector], [0, 0, 1], en=case["energy_ev"]
    )
    nz, ny, nx = case["shape"]
    rows, columns = case["pixel_axes"]
    conversion.init_area(
        rows, columns, cch1=ny // 2, cch2=nx // 2, Nch1=ny, Nch2=nx, distance=case["distance"],
        pwidth1=case["pixel"], pwidth2=case["pixel"],
        tiltazimuth=case["tilt"][0], tilt=case["tilt"][1],
    )
    angles = [np.asarray(positions, float) for _, positions in sample + detector]
    angles = [np.full(nz, a[0]) if a.size == 1 else a for a in angles]
    # In the frame of the sample with all circles at zero, inverse angstroms: (3, nz, ny, nx).
    expected = np.asarray(conversion.area(*angles, deg=True))
    found = np.asarray(case["q_sample"]).reshape(nz, ny, nx, 3)
    off = np.abs(np.moveaxis(expected, 0, -1) - found).max() / np.linalg.norm(expected[:, nz // 2, ny // 2, nx // 2])
    print(case["name"], off)
    assert off < 1e-6, (case["name"], off)
