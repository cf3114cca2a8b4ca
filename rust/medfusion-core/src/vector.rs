//! Inner loops compiled twice: for every processor, and for those with AVX2.
//!
//! The wider registers change the speed alone. Loops that sum keep a fixed number of partial sums,
//! and no multiplication is fused with an addition, so results are the same on every machine.

pub(crate) use pulp::NullaryFnOnce as Kernel;

/// Runs an inner loop with the widest registers that this processor has.
///
/// The kernel's `call` has to be `#[inline(always)]`, and so has all that it calls.
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(kernel)
}
