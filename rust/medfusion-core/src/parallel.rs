//! Work spread over scoped threads.
//!
//! The threads live for one call only. A thread costs tens of microseconds, an image a
//! millisecond; in return a process may fork at any moment (a PyTorch `DataLoader` does): the
//! child inherits no pool whose threads are gone and no lock that nobody will release.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How long the calling thread works before it asks again whether to stop.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// The watcher asked to stop before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("stopped before the end")]
pub struct Stopped;

/// Asked from time to time, in the calling thread, whether the work shall stop.
pub type Watch<'a> = &'a mut dyn FnMut() -> bool;

/// Returns a number of threads for `requested`, where 0 means all cores of this process.
#[must_use]
pub fn thread_count(requested: usize) -> usize {
    if requested > 0 {
        return requested;
    }
    thread::available_parallelism().map_or(1, usize::from)
}

/// Calls `work` once for every item, on at most `threads` threads (0: all cores).
///
/// Each thread makes one `state` (its scratch memory). The calling thread works too; between its
/// items it asks `watch` whether to stop. Items are handed out in order, so `work` must not depend
/// on which thread takes which item.
///
/// # Errors
/// [`Stopped`] when `watch` returned true: some items were then left undone.
pub fn for_each<I, S>(
    items: I,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I::Item) + Sync,
    watch: Watch<'_>,
) -> Result<(), Stopped>
where
    I: ExactSizeIterator + Send,
{
    let threads = thread_count(threads).min(items.len());
    let queue = Mutex::new(items);
    let stop = AtomicBool::new(false);
    let next = || {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        queue.lock().unwrap_or_else(PoisonError::into_inner).next()
    };
    let drain = || {
        let mut scratch = state();
        while let Some(item) = next() {
            work(&mut scratch, item);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A machine at its limit of threads is no reason to fail: the others do the work.
            if thread::Builder::new().spawn_scoped(scope, drain).is_err() {
                break;
            }
        }
        let mut scratch = state();
        let mut asked = Instant::now();
        while let Some(item) = next() {
            work(&mut scratch, item);
            if asked.elapsed() >= WATCH_INTERVAL {
                if watch() {
                    stop.store(true, Ordering::Relaxed);
                }
                asked = Instant::now();
            }
        }
    });
    if stop.into_inner() { Err(Stopped) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_item_is_done_once() {
        for threads in [0, 1, 2, 7, 100] {
            let mut seen = [0_u32; 50];
            for_each(seen.iter_mut(), threads, || (), |(), slot| *slot += 1, &mut || false)
                .expect("nothing stops it");
            assert!(seen.iter().all(|&count| count == 1));
        }
    }

    #[test]
    fn no_items_is_no_work() {
        let none: [u8; 0] = [];
        for_each(none.iter(), 0, || (), |(), _| panic!("no items"), &mut || true)
            .expect("nothing to stop");
    }

    #[test]
    fn the_watcher_stops_all_threads() {
        let done = AtomicUsize::new(0);
        let slow = |(): &mut (), _: &u8| {
            thread::sleep(Duration::from_millis(10));
            done.fetch_add(1, Ordering::Relaxed);
        };
        let result = for_each([0_u8; 1000].iter(), 3, || (), slow, &mut || true);
        assert_eq!(result, Err(Stopped));
        assert!(done.into_inner() < 100);
    }
}
