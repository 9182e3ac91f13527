"""Coherent diffraction imaging with detector gaps, from Python.

``phase`` reconstructs the object behind a pattern, ``read`` and ``prepare`` bring a pattern to it,
``inpaint`` fills its gaps, ``compare`` sets treatments of the gaps side by side, ``hidden_modes``
says what gaps hide, and ``simulate`` makes patterns with their truth. ``settings`` explains every
keyword, ``presets`` has their values.

Arrays are ``(y, x)`` or ``(z, y, x)``, where ``z`` is a rocking curve. Masks are not zero (``True``)
where a pixel was not measured, as in CXI files. Zero frequency is at ``n // 2``, transforms are
unitary: the squared modulus of an object sums to the photons. Units are SI, energies eV.
"""

from . import _lacuna
from ._errors import (
    ContentError,
    DeviceError,
    ExistingFileError,
    FileError,
    LacunaError,
    MissingFileError,
    ModelError,
    NoObjectError,
    OutOfMemoryError,
    PatternError,
    SettingError,
    UnknownSettingError,
)
from ._lacuna import (
    Comparison,
    HiddenModes,
    Pattern,
    Reconstruction,
    Simulated,
    Verdict,
    __version__,
    compare,
    hidden_modes,
    inpaint,
    phase,
    prepare,
    presets,
    read,
    settings,
    simulate,
)

__all__ = [
    "Comparison",
    "ContentError",
    "DeviceError",
    "ExistingFileError",
    "FileError",
    "HiddenModes",
    "LacunaError",
    "MissingFileError",
    "ModelError",
    "NoObjectError",
    "OutOfMemoryError",
    "Pattern",
    "PatternError",
    "Reconstruction",
    "SettingError",
    "Simulated",
    "UnknownSettingError",
    "Verdict",
    "__version__",
    "compare",
    "hidden_modes",
    "inpaint",
    "phase",
    "prepare",
    "presets",
    "read",
    "settings",
    "simulate",
]

# Functions of a compiled module say otherwise where they come from, in tracebacks and help.
for _function in (compare, hidden_modes, inpaint, phase, prepare, presets, read, settings, simulate):
    _function.__module__ = __name__
del _function, _lacuna
