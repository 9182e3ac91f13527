import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypedDict, Union, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import TypeAlias, Unpack

__version__: str

class LacunaError(Exception): ...
class SettingError(LacunaError, ValueError): ...
class UnknownSettingError(SettingError, TypeError): ...
class PatternError(LacunaError, ValueError): ...
class FileError(LacunaError, OSError): ...
class MissingFileError(FileError, FileNotFoundError): ...
class ExistingFileError(FileError, FileExistsError): ...
class ContentError(FileError, ValueError): ...
class ModelError(LacunaError, ValueError): ...
class NoObjectError(LacunaError, RuntimeError): ...
class DeviceError(LacunaError, RuntimeError): ...
class OutOfMemoryError(LacunaError, MemoryError): ...

class _Bar(Protocol):
    total: Any
    def update(self, n: int, /) -> Any: ...

_Path: TypeAlias = Union[str, os.PathLike[str]]
_Progress: TypeAlias = Union[bool, Callable[[int, int, str], Any], _Bar, None]
# Text and arrays, or a list of both.
_Mask: TypeAlias = Union[ArrayLike, Sequence[Any], None]
_Preset: TypeAlias = Union[_Path, dict[str, Any], None]

class _Input(TypedDict, total=False):
    """Reading and preparing."""

    beamline: str | os.PathLike[str] | None
    monitor: str | None
    missing: str | None
    file_mask: str | None
    mask_offset: int | Sequence[int] | None
    axes: str | None
    gain: float | None
    threshold: float | None
    clip_negative: bool | None
    flat_field: str | os.PathLike[str] | None
    energy: float | None
    distance: float | None
    pixel_size: float | None
    hot_pixels: float | None
    dead_pixels: bool | None
    centre: str | Sequence[int] | None
    roi: str | Sequence[slice] | None
    max_size: int | Sequence[int] | None
    rebin: int | Sequence[int] | None
    pad: bool | None

class _Gap(TypedDict, total=False):
    """Treatment of gaps."""

    gap: str | None
    gap_bounds: float | Sequence[float] | None
    gap_interval: float | None
    gap_leak: float | None
    model: str | os.PathLike[str] | None
    dims: int | None
    network_device: str | None

class _Phasing(TypedDict, total=False):
    """Phasing."""

    support: str | os.PathLike[str] | ArrayLike | None
    algorithm: str | None
    nb_hio: int | None
    nb_raar: int | None
    nb_er: int | None
    nb_ml: int | None
    support_update_period: int | None
    detwin: bool | None
    beta: float | None
    positivity: bool | None
    real: bool | None
    psf: str | Sequence[str | float] | None
    psf_begin: float | None
    start: str | None
    search_population: int | None
    search_generations: int | None
    search_size: int | None
    search_area: float | Sequence[float] | None
    search_leak: float | None
    smoothness: float | Sequence[float] | None
    split_data: bool | None
    unwrap: bool | None
    start_from: str | os.PathLike[str] | None
    start_phase: float | None
    support_autocorrelation_threshold: float | Sequence[float] | None
    support_threshold: float | Sequence[float] | None
    support_threshold_end: float | None
    support_area_search: bool | None
    support_threshold_method: str | None
    support_smooth_width_begin: float | None
    support_smooth_width_end: float | None
    support_only_shrink: bool | None
    support_update_border_n: int | None
    support_post_expand: int | Sequence[int] | None
    support_fraction_min: float | None
    support_fraction_max: float | None
    nb_run: int | None
    nb_run_more: int | None
    nb_run_keep: int | None
    nb_run_average: int | None
    seed: int | None
    free_fraction: float | None
    device: str | None
    recipe: str | None

class _Prepare(_Input, total=False):
    support: str | os.PathLike[str] | ArrayLike | None

class _Inpaint(_Input, total=False):
    gap_bounds: float | Sequence[float] | None
    gap_interval: float | None
    model: str | os.PathLike[str] | None
    dims: int | None
    network_device: str | None

class _Phase(_Input, _Gap, _Phasing, total=False): ...

class _Compare(_Input, _Phasing, total=False):
    gap_interval: float | None
    model: str | os.PathLike[str] | None

class _Hidden(_Prepare, total=False):
    seed: int | None

@final
class Pattern:
    @property
    def intensity(self) -> NDArray[np.float32]: ...
    @property
    def mask(self) -> NDArray[np.uint32]: ...
    @property
    def estimate(self) -> NDArray[np.float32] | None: ...
    @property
    def estimated(self) -> NDArray[np.bool_] | None: ...
    @property
    def lower(self) -> NDArray[np.float32] | None: ...
    @property
    def upper(self) -> NDArray[np.float32] | None: ...
    @property
    def completed(self) -> NDArray[np.float32] | None: ...
    @property
    def support(self) -> NDArray[np.bool_] | None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def energy(self) -> float | None: ...
    @property
    def distance(self) -> float | None: ...
    @property
    def pixel_size(self) -> tuple[float, float] | None: ...
    @property
    def is_prepared(self) -> bool: ...
    @property
    def steps(self) -> list[str]: ...
    @property
    def notes(self) -> list[str]: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    def save(self, path: _Path, *, force: bool = False) -> os.PathLike[str]: ...
    def _repr_html_(self) -> str: ...

@final
class Verdict:
    @property
    def grade(self) -> str: ...
    @property
    def probability(self) -> float: ...
    @property
    def reasons(self) -> list[str]: ...
    @property
    def remedies(self) -> list[str]: ...
    @property
    def evidence(self) -> dict[str, Any]: ...

@final
class Reconstruction:
    @property
    def object(self) -> NDArray[np.complex64]: ...
    @property
    def support(self) -> NDArray[np.bool_]: ...
    @property
    def objects(self) -> list[NDArray[np.complex64]]: ...
    @property
    def average(self) -> NDArray[np.complex64]: ...
    @property
    def modes(self) -> list[NDArray[np.complex64]]: ...
    @property
    def mode_weights(self) -> NDArray[np.float64]: ...
    @property
    def modulus_std(self) -> NDArray[np.float32] | None: ...
    @property
    def phase_std(self) -> NDArray[np.float32] | None: ...
    @property
    def hidden_fraction(self) -> NDArray[np.float32] | None: ...
    @property
    def unwrapped_phase(self) -> NDArray[np.float32] | None: ...
    @property
    def psf(self) -> NDArray[np.float32] | None: ...
    @property
    def intensity(self) -> NDArray[np.float32]: ...
    @property
    def mask(self) -> NDArray[np.uint32]: ...
    @property
    def pattern(self) -> Pattern: ...
    def calculated(self) -> NDArray[np.float32]: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def r_factor(self) -> float: ...
    @property
    def llk_poisson(self) -> float: ...
    @property
    def free_llk_poisson(self) -> float | None: ...
    @property
    def resolution(self) -> dict[str, float | None] | None: ...
    @property
    def prtf(self) -> NDArray[np.float64]: ...
    @property
    def fsc(self) -> NDArray[np.float64]: ...
    @property
    def runs(self) -> list[dict[str, Any]]: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def summary(self) -> dict[str, Any]: ...
    @property
    def steps(self) -> list[str]: ...
    @property
    def notes(self) -> list[str]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def save(self, path: _Path, *, force: bool = False) -> os.PathLike[str]: ...
    def _repr_html_(self) -> str: ...

@final
class Comparison:
    @property
    def verdict(self) -> str: ...
    @property
    def gaps(self) -> list[dict[str, Any]]: ...
    @property
    def table(self) -> list[dict[str, str]]: ...
    @property
    def advice(self) -> dict[str, Any] | None: ...
    @property
    def summary(self) -> dict[str, Any]: ...
    def save(self, path: _Path, *, force: bool = False) -> os.PathLike[str]: ...
    def _repr_html_(self) -> str: ...

@final
class HiddenModes:
    @property
    def count(self) -> float: ...
    @property
    def count_error(self) -> float: ...
    @property
    def support_pixels(self) -> int: ...
    @property
    def noise_gain(self) -> float: ...
    @property
    def hidden_energy(self) -> float: ...
    @property
    def error(self) -> float: ...
    @property
    def widest_gap(self) -> int: ...
    @property
    def advice(self) -> str: ...
    @property
    def eigenvalues(self) -> NDArray[np.float64]: ...
    @property
    def map(self) -> NDArray[np.float32]: ...
    @property
    def support(self) -> NDArray[np.bool_]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def summary(self) -> dict[str, Any]: ...
    def save(self, path: _Path, *, force: bool = False) -> os.PathLike[str]: ...
    def _repr_html_(self) -> str: ...

@final
class Simulated:
    @property
    def counts(self) -> NDArray[np.uint32]: ...
    @property
    def mask(self) -> NDArray[np.uint32]: ...
    @property
    def intensity(self) -> NDArray[np.float32]: ...
    @property
    def object(self) -> NDArray[np.complex64]: ...
    @property
    def support(self) -> NDArray[np.bool_]: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def _repr_html_(self) -> str: ...

_Source: TypeAlias = Union[ArrayLike, _Path, Pattern, Simulated]

def read(path: _Path, mask: _Mask = None, **settings: Unpack[_Input]) -> Pattern: ...
def prepare(
    pattern: _Source, mask: _Mask = None, *, preset: _Preset = None, **settings: Unpack[_Prepare]
) -> Pattern: ...
def inpaint(
    pattern: _Source,
    mask: _Mask = None,
    *,
    gap: str = "network",
    progress: _Progress = None,
    threads: int | None = None,
    **settings: Unpack[_Inpaint],
) -> Pattern: ...
def phase(
    pattern: _Source,
    mask: _Mask = None,
    *,
    preset: _Preset = None,
    prepared: bool = False,
    progress: _Progress = None,
    threads: int | None = None,
    max_memory: float | None = None,
    **settings: Unpack[_Phase],
) -> Reconstruction: ...
def compare(
    pattern: _Source,
    mask: _Mask = None,
    *,
    gaps: Sequence[str] | None = None,
    truth: _Source | None = None,
    preset: _Preset = None,
    prepared: bool = False,
    progress: _Progress = None,
    threads: int | None = None,
    max_memory: float | None = None,
    **settings: Unpack[_Compare],
) -> Comparison: ...
def hidden_modes(
    pattern: _Source | None = None,
    mask: _Mask = None,
    *,
    oversampling: float | None = None,
    prepared: bool = False,
    progress: _Progress = None,
    threads: int | None = None,
    **settings: Unpack[_Hidden],
) -> HiddenModes: ...
def simulate(
    shape: Sequence[int] = (256, 256),
    *,
    object: str = "crystal",
    gap: int | None = None,
    detector: str | None = None,
    photons: float = 1e7,
    oversampling: float = 3.0,
    strain: float = 0.0,
    beamstop: float | None = None,
    seed: int | None = None,
    recipe: _Path | None = None,
    index: int = 0,
) -> Simulated: ...
def settings() -> dict[str, str]: ...
def presets() -> dict[str, dict[str, Any]]: ...
