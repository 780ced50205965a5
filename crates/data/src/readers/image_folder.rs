//! A folder of pictures: one folder for each class, named as the class.

use super::Picture;
use crate::{DataError, ImageDataset};
use kniff_tensor::Indices;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Reads `FOLDER/CLASS/PICTURE` into an [`ImageDataset`]: PNG, JPEG or BMP by the ending `png`, `jpg`, `jpeg` or `bmp`.
///
/// Classes are numbered in the order of their names (by bytes), pictures within a class likewise, so the numbers are the same on every machine. Other
/// files, and names that begin with a dot, are left alone. All pictures are decoded into memory, one byte a channel of a pixel: those of up to 2^24
/// pixels and 16 MiB in parallel, in at most half a GiB for each thread, larger ones one after the other.
///
/// Needs the feature `pictures`.
///
/// ```no_run
/// use kniff_data::ImageFolder;
/// let data = ImageFolder::new().resize(64, 64).read("photos/train")?;
/// println!("{:?}", data.classes());
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ImageFolder {
    size: Option<[usize; 2]>,
    grey: bool,
    limit: u64,
}

impl ImageFolder {
    /// Colour pictures, all of one size, of at most 8 GiB in memory.
    pub fn new() -> Self {
        Self { size: None, grey: false, limit: 8 << 30 }
    }

    /// Brings every picture to this size; without, all must have one already.
    #[must_use]
    pub fn resize(mut self, height: usize, width: usize) -> Self {
        self.size = Some([height, width]);
        self
    }

    /// One channel of grey in place of three of colour.
    #[must_use]
    pub fn grey(mut self, yes: bool) -> Self {
        self.grey = yes;
        self
    }

    /// Refuses folders whose pictures would take more bytes than this in memory.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads all pictures.
    ///
    /// # Errors
    /// The first file (in the order of the examples) that cannot be read, is damaged or has another size is named; so is a folder without
    /// classes, and a class without pictures.
    pub fn read(&self, folder: impl AsRef<Path>) -> Result<ImageDataset, DataError> {
        let folder = folder.as_ref();
        let (mut files, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for (name, path) in entries(folder)? {
            if !path.is_dir() {
                continue;
            }
            let before = files.len();
            files.extend(entries(&path)?.into_iter().filter(|(name, path)| is_picture(name) && path.is_file()));
            if files.len() == before {
                return Err(wrong(&path, "at least one picture (png, jpg, jpeg or bmp) of this class", "none"));
            }
            labels.resize(files.len(), classes.len());
            classes.push(name);
        }
        let Some((_, first)) = files.first() else {
            return Err(wrong(folder, "a folder for each class, with its pictures", "no folder in it"));
        };
        let shape = match self.size {
            Some([height, width]) => [if self.grey { 1 } else { 3 }, height, width],
            None => self.converted(Picture::read(first)?)?.shape(),
        };
        let size: usize = shape.iter().product();
        let bytes = (files.len() as u64).saturating_mul(size as u64);
        if bytes > self.limit {
            let expected = format!("pictures of at most {} bytes in memory; read fewer, or smaller ones", self.limit);
            return Err(wrong(folder, &expected, &format!("{} of shape {shape:?}: {bytes} bytes", files.len())));
        }
        if size == 0 {
            return Err(DataError::setting("size of pictures", "at least 1 x 1", format!("{shape:?}")));
        }
        let mut pixels = vec![0; bytes as usize];
        let put = |picture: Picture, to: &mut [u8], path: &Path| {
            let picture = self.converted(picture)?;
            if picture.shape() != shape {
                let expected = format!("shape {shape:?} as {}, or ImageFolder::resize", first.display());
                return Err(wrong(path, &expected, &format!("{:?}", picture.shape())));
            }
            to.copy_from_slice(picture.pixels());
            Ok(())
        };
        // Large ones wait: in every thread at once they would take its multiple of their memory.
        let done = pixels.par_chunks_mut(size).zip(&files).map(|(to, (_, path))| match Picture::read_small(path)? {
            Some(picture) => put(picture, to, path).map(|()| true),
            None => Ok(false),
        });
        let done: Vec<Result<bool, DataError>> = done.collect();
        // The first in order and not in time, so that the message is the same every time.
        for ((to, (_, path)), done) in pixels.chunks_mut(size).zip(&files).zip(done) {
            if !done? {
                put(Picture::read(path)?, to, path)?;
            }
        }
        Ok(ImageDataset::new(pixels, shape, Indices::from_vec(labels))?.with_classes(classes))
    }

    fn converted(&self, picture: Picture) -> Result<Picture, DataError> {
        let picture = if self.grey { picture.grey() } else { picture };
        match self.size {
            Some([height, width]) => picture.resized(height, width),
            None => Ok(picture),
        }
    }
}

impl Default for ImageFolder {
    fn default() -> Self {
        Self::new()
    }
}

/// What a folder holds, by name; names that begin with a dot are left out.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let io = |error| DataError::io(&folder.display().to_string(), error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            return Err(wrong(&path, "a name in UTF-8", "other bytes"));
        };
        if !name.starts_with('.') {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

fn is_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ["png", "jpg", "jpeg", "bmp"].contains(&ending.as_str()))
}

fn wrong(path: &Path, expected: &str, found: &str) -> DataError {
    DataError::format(&path.display().to_string(), expected, found)
}
