//! A file that is written whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file: to a new one beside it, which takes its name when it is safely on the disk.
///
/// A crash, a full disk or an error of `fill` leaves the old file as it was, never half of a new one. Readers of the old file
/// keep it until they close it.
///
/// ```
/// use std::io::Write;
/// let path = std::env::temp_dir().join("kniff-atomic-example.txt");
/// kniff_data::write_atomically(&path, |file| file.write_all(b"old"))?;
/// let full = |file: &mut dyn Write| file.write_all(b"ne").and(Err(std::io::ErrorKind::StorageFull.into()));
/// assert!(kniff_data::write_atomically(&path, full).is_err());
/// assert_eq!(std::fs::read(&path)?, b"old");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What the system says, or `fill`.
pub fn write_atomically(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    // Two threads that write the same file must not write the same draft.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let path = path.as_ref();
    let Some(name) = path.file_name() else {
        let message = "a path that ends in the name of a file is needed";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    };
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let name = name.to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.{number}.partial", std::process::id()));
    let written = (|| {
        let mut file = BufWriter::new(File::create(&draft)?);
        fill(&mut file)?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&draft, path)?;
        sync_folder(path);
        Ok(())
    })();
    if written.is_err() {
        // It may not exist; what went wrong first is what is told.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Makes the new name last too, where folders can be opened; elsewhere the system sees to it.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_file_is_left_whatever_happens() {
        let folder = std::env::temp_dir().join(format!("kniff-atomic-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        write_atomically(&path, |file| file.write_all(b"one")).unwrap();
        let broken = write_atomically(&path, |file| file.write_all(b"two").and(Err(std::io::Error::other("full"))));
        assert_eq!(broken.unwrap_err().to_string(), "full");
        assert_eq!((fs::read(&path).unwrap(), fs::read_dir(&folder).unwrap().count()), (b"one".to_vec(), 1));
        write_atomically(&path, |file| file.write_all(b"three")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert!(write_atomically(folder.join("no/such"), |_| Ok(())).is_err());
        assert!(write_atomically("/", |_| Ok(())).unwrap_err().to_string().contains("name of a file"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
