//! Packed weights, kept while the weights they were packed from live: a network that fills a
//! pattern runs over the same weights hundreds of times.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use burn::backend::flex::FlexTensor;
use burn::tensor::Bytes;

use super::memory::contiguous;
use crate::network::conv::{Isa, PackedWeights, SummedAxis};

/// Everything that decides how weights are packed, beside their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) isa: Isa,
    /// First and second axis of the weights, and taps.
    pub(super) shape: [usize; 3],
    pub(super) sum: SummedAxis,
    pub(super) reversed: bool,
}

impl Order {
    pub(super) fn pack(self, weight: &FlexTensor) -> PackedWeights {
        PackedWeights::new(self.isa, &contiguous(weight), self.shape, self.sum, self.reversed)
    }

    /// Packs weights only once as long as nobody changes them.
    pub(super) fn pack_once(self, weight: &FlexTensor) -> Arc<PackedWeights> {
        let storage = weight.data_arc();
        let whole = weight.is_contiguous() && weight.layout().start_offset() == 0;
        if !whole {
            return Arc::new(self.pack(weight));
        }
        let known = |kept: &[Kept]| {
            let this = |kept: &&Kept| std::ptr::eq(kept.weight.as_ptr(), Arc::as_ptr(&storage)) && kept.order == self;
            kept.iter().find(this).map(|kept| kept.packed.clone())
        };
        let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(packed) = known(&lock()) {
            return packed;
        }
        let packed = Arc::new(self.pack(weight));
        let mut kept = lock();
        kept.retain(|kept| kept.weight.strong_count() > 0);
        if kept.len() < MOST && known(&kept).is_none() {
            kept.push(Kept { weight: Arc::downgrade(&storage), order: self, packed: packed.clone() });
        }
        packed
    }
}

/// Packed weights in the cache.
struct Kept {
    /// As long as this exists, no other tensor gets the same address, and no one may write to it:
    /// who wants to, copies.
    weight: Weak<Bytes>,
    order: Order,
    packed: Arc<PackedWeights>,
}

/// Largest number of cached weights, more than the layers of any network here.
const MOST: usize = 256;

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
