//! Signals that ask the program to stop, and the exit code that says so.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Once};

/// The signal that was received first; 0 for none.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
static HANDLER: Once = Once::new();

/// From now on the first SIGINT (Ctrl-C) or SIGTERM asks to stop, and the second one stops at once.
pub fn catch() {
    HANDLER.call_once(|| {
        // Without a handler a signal ends the process, which loses no file: outputs are renamed
        // into place.
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stopping))
                .and_then(|_| flag::register(signal, Arc::clone(&stopping)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize));
        }
    });
}

/// From now on the end of standard input asks to stop too, as SIGTERM does: it ends with the process
/// that holds it, however that ends.
pub fn stop_with_stdin() {
    catch();
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = signal_hook::low_level::raise(SIGTERM);
    });
}

/// The signal that asked to stop.
pub fn received() -> Option<i32> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => None,
        signal => Some(signal as i32),
    }
}

/// The exit code of a call that a signal ended, also where its partial result was written: 130
/// after SIGINT, 143 after SIGTERM.
pub fn exit_code() -> Option<u8> {
    received().and_then(|signal| u8::try_from(128 + signal).ok())
}
