//! Long calls without the interpreter's lock that still stop on Ctrl-C.

use medfusion_core::parallel::{Stopped, Watch};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// Runs `work` without the interpreter's lock.
///
/// The watcher that `work` gets takes the lock for a moment and asks Python for signals. The
/// exception of a signal handler (`KeyboardInterrupt`) wins over what `work` returns.
pub fn detached<T: Send, E: Send>(
    py: Python<'_>,
    work: impl FnOnce(Watch<'_>) -> Result<T, E> + Send,
) -> PyResult<Result<T, E>> {
    let mut raised = None;
    let result = py.detach(|| {
        work(&mut || {
            raised = Python::attach(|py: Python<'_>| py.check_signals()).err();
            raised.is_some()
        })
    });
    raised.map_or(Ok(result), Err)
}

/// The watcher's own exception comes first, so this is only met should it ever be lost.
pub fn stopped(error: Stopped) -> PyErr {
    PyKeyboardInterrupt::new_err(error.to_string())
}
