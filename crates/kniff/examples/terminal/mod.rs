//! How the examples speak and end: what cannot be written to standard output is an error like any other.

use std::fmt::{Arguments, Display};
use std::io::Write;
use std::process::ExitCode;

/// Prints a line as `println!` does, which would panic where this is an error.
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::line(&mut std::io::stdout(), format_args!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn line(to: &mut impl Write, text: Arguments<'_>) -> Result<(), String> {
    let written = writeln!(to, "{text}").and_then(|()| to.flush());
    written
        .map_err(|e| format!("standard output: {e}; let it go where there is room, and where someone reads to the end"))
}

/// The program's end: an error goes to standard error, and makes the exit code 1.
pub(crate) fn end(done: Result<(), impl Display>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    // Where this cannot be written either, the code alone must tell.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind, Result};

    /// A disk without space.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> Result<usize> {
            Err(Error::from(ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_standard_output_is_an_error_and_no_panic() {
        let error = line(&mut Full, format_args!("a line")).unwrap_err();
        assert!(error.starts_with("standard output: no storage space"), "{error}");
        assert_eq!(end(Err(error)), ExitCode::FAILURE);
        let mut lines = Vec::new();
        line(&mut lines, format_args!("{} lines", 1)).unwrap();
        assert_eq!((&lines[..], end(Ok::<_, String>(()))), (&b"1 lines\n"[..], ExitCode::SUCCESS));
    }
}
