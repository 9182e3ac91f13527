"""Arrays in and out: types, orders, shapes, lifetimes."""

import copy
import gc
import pickle

import numpy as np
import pytest

import lacuna_cdi
from conftest import QUICK

TYPES = ["u1", "u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8", "longdouble", ">u2", ">i4", ">u8", ">f4", ">f8"]


def counts(crystal, most=200):
    """Counts that every type can hold."""
    return np.minimum(np.asarray(crystal.counts), most)


@pytest.mark.parametrize("name", TYPES)
def test_every_real_type_means_the_same(crystal, name):
    expected = lacuna_cdi.inpaint(counts(crystal).astype("f4"), crystal.mask, gap="linear")
    found = lacuna_cdi.inpaint(counts(crystal).astype(name), crystal.mask, gap="linear")
    assert np.array_equal(found.intensity, expected.intensity)
    assert np.array_equal(found.estimate, expected.estimate)


def test_every_order_of_memory_means_the_same(volume):
    plain = np.asarray(volume.counts).astype("f8")
    strided = np.repeat(plain, 2, axis=2)[:, :, ::2]
    backwards = np.ascontiguousarray(plain[::-1])[::-1]
    for array in (np.asfortranarray(plain), strided, backwards, plain.tolist()):
        found = lacuna_cdi.inpaint(array, volume.mask, gap="linear")
        assert np.array_equal(found.intensity * (volume.mask == 0), plain * (volume.mask == 0))


def test_inputs_are_neither_changed_nor_kept(crystal):
    array, mask = np.array(crystal.counts, "f4"), np.array(crystal.mask)
    before = array.copy()
    filled = lacuna_cdi.inpaint(array, mask)
    assert np.array_equal(array, before)
    array[:] = -1
    assert filled.intensity.min() >= 0


def test_masks_of_every_kind(crystal):
    flags = np.asarray(crystal.mask) != 0
    array = np.array(crystal.counts, "f4")
    for mask in (flags, flags.astype("u1"), flags.astype("f8"), flags * 255, np.asarray(crystal.mask), flags.tolist()):
        filled = lacuna_cdi.inpaint(array, mask, gap="zero")
        assert np.array_equal(filled.mask != 0, flags)
    # Bits stay what they are, flags become CXI's "bad".
    assert np.array_equal(lacuna_cdi.inpaint(array, crystal.mask, gap="zero").mask, crystal.mask)
    assert set(np.unique(lacuna_cdi.inpaint(array, flags, gap="zero").mask)) == {0, 0x80}
    masked = np.ma.MaskedArray(array, flags)
    assert np.array_equal(lacuna_cdi.inpaint(masked, gap="zero").mask != 0, flags)
    # Arrays and the program's words together.
    array[3, 3] = -1
    both = lacuna_cdi.inpaint(array, [flags, "negative"], gap="zero")
    assert np.array_equal(both.mask != 0, flags | (array < 0))


def test_one_mask_is_for_all_frames(volume):
    frame = np.asarray(volume.mask)[0]
    filled = lacuna_cdi.inpaint(np.asarray(volume.counts), frame, gap="zero")
    assert np.array_equal(filled.mask != 0, np.broadcast_to(frame != 0, volume.shape))


def test_results_are_views_that_outlive_their_owner(crystal):
    result = lacuna_cdi.phase(crystal, **QUICK)
    first, second = result.object, result.object
    assert first.__array_interface__["data"] == second.__array_interface__["data"]
    expected = first.copy()
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1
    del result, second
    gc.collect()
    np.zeros(10_000_000)
    assert np.array_equal(first, expected)


def test_types_and_shapes_of_results(result, crystal, volume):
    assert result.object.dtype == np.complex64 and result.object.shape == crystal.shape
    assert result.support.dtype == bool and result.intensity.dtype == np.float32
    assert result.mask.dtype == np.uint32 and result.average.shape == crystal.shape
    assert volume.counts.shape == volume.shape == (32, 32, 32)


def test_results_can_be_copied_and_are_not_pickled(result):
    assert copy.copy(result) is result and copy.deepcopy(result) is result
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(result)
