//! One picture as a file: PNG, JPEG or BMP, told by its first bytes.

use crate::reader::{broken, open};
use crate::resize::resize_planes;
use crate::{DataError, Interpolation};
use ::image::{ColorType, DynamicImage, ImageFormat, ImageReader, Limits};
use kniff_tensor::{Element, Tensor};
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The most bytes that a file of one picture may have.
const MOST_BYTES: u64 = 1 << 28;
/// The longest side that is read.
const MOST_SIDE: u32 = 1 << 15;
/// The most pixels that are read.
const MOST_PIXELS: u64 = 1 << 27;
/// The most memory that a decoder may ask for at once.
const MOST_MEMORY: u64 = 1 << 30;
/// A picture of at most so many bytes and pixels is small: several are decoded side by side.
const SMALL_BYTES: u64 = 1 << 24;
const SMALL_PIXELS: u64 = 1 << 24;
/// What a decoder may ask for at most: for each pixel, and for its tables. Four channels of 16 bits, twice.
const MEMORY_OF_PIXEL: u64 = 16;
const MEMORY_OF_TABLES: u64 = 1 << 24;

/// A picture in bytes, `[channels, height, width]`: red, green and blue, or grey alone.
///
/// Needs the feature `pictures`.
///
/// ```
/// use kniff_data::Picture;
/// let picture = Picture::new(vec![0, 255], [1, 1, 2])?;
/// assert_eq!(picture.to_tensor::<f32>().to_vec(), [0.0, 1.0]);
/// let again = Picture::parse("memory", &picture.to_png()?)?;
/// assert_eq!((again.shape(), again.pixels()), ([3, 1, 2], &[0, 255, 0, 255, 0, 255][..]));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pixels: Vec<u8>,
    shape: [usize; 3],
}

impl Picture {
    /// A picture of given bytes, 1 or 3 channels.
    ///
    /// # Errors
    /// Unless there are as many bytes as the shape says, and 1 or 3 channels.
    pub fn new(pixels: Vec<u8>, shape: [usize; 3]) -> Result<Self, DataError> {
        let expected = shape.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        if ![1, 3].contains(&shape[0]) || expected != Some(pixels.len()) {
            let expected = format!("1 or 3 channels and the bytes of shape {shape:?}");
            return Err(DataError::setting("picture", expected, format!("{} bytes", pixels.len())));
        }
        Ok(Self { pixels, shape })
    }

    /// Numbers from 0 to 1, `[channels, height, width]`, as bytes; what lies outside is cut off, NaN becomes 0.
    ///
    /// # Errors
    /// Unless there are three axes, the first of 1 or 3.
    pub fn from_tensor<E: Element>(x: &Tensor<E>) -> Result<Self, DataError> {
        let Ok(shape) = <[usize; 3]>::try_from(&x.shape()[..]) else {
            let expected = "[channels, height, width]".into();
            return Err(DataError::Shape { what: "picture", expected, found: *x.shape() });
        };
        // Casts to a byte stop at both ends.
        Self::new(x.to_vec().iter().map(|x| (x.to_f64() * 255.0).round_ties_even() as u8).collect(), shape)
    }

    /// Reads a file as red, green and blue; a fourth channel is left out, 16 bits are rounded to 8.
    ///
    /// It takes the file's bytes, 6 bytes for each of at most 2^27 pixels, and what its decoder needs: at most 1 GiB, and 16 bytes a
    /// pixel and 16 MiB.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read; [`DataError::Format`] if it is no whole PNG, JPEG or BMP, or larger than 2^27 pixels.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let source = open(path.as_ref())?;
        let name = source.name().to_owned();
        let mut bytes = Vec::new();
        let mut stream = source.into_stream(MOST_BYTES, "no picture of so many bytes is read");
        stream.read_to_end(&mut bytes).map_err(|e| broken(&name, e))?;
        Self::parse(&name, &bytes)
    }

    /// Reads the bytes of a file, which messages call `name`.
    ///
    /// # Errors
    /// As [`Picture::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, DataError> {
        // More pixels than the most are refused, so there is always one.
        let too_large = || DataError::format(name, "a picture that is read", "one that is too large");
        Self::parse_up_to(name, bytes, MOST_PIXELS)?.ok_or_else(too_large)
    }

    /// [`Picture::read`], unless the file or the picture is large: none then.
    pub(super) fn read_small(path: &Path) -> Result<Option<Self>, DataError> {
        let source = open(path)?;
        let name = source.name().to_owned();
        let mut bytes = Vec::new();
        let stream = source.into_stream(MOST_BYTES, "no picture of so many bytes is read");
        stream.take(SMALL_BYTES + 1).read_to_end(&mut bytes).map_err(|e| broken(&name, e))?;
        if bytes.len() as u64 > SMALL_BYTES { Ok(None) } else { Self::parse_up_to(&name, &bytes, SMALL_PIXELS) }
    }

    /// [`Picture::parse`] unless there are more pixels: none then, and none are decoded.
    fn parse_up_to(name: &str, bytes: &[u8], pixels: u64) -> Result<Option<Self>, DataError> {
        // What decoders of hostile files forgot must not end a training.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(bytes, pixels)));
        let decoded = decoded.unwrap_or_else(|_| Err("a file that its decoder gives up on".into()));
        decoded.map_err(|found| DataError::format(name, "a whole PNG, JPEG or BMP picture", found))
    }

    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The bytes, row by row, channel after channel.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Numbers from 0 to 1, `[channels, height, width]`.
    pub fn to_tensor<E: Element>(&self) -> Tensor<E> {
        let scale = E::from_f64(1.0 / 255.0);
        Tensor::from_fn(self.shape, |i| E::from_f64(f64::from(self.pixels[i])) * scale)
    }

    /// The grey of it: 0.299 R + 0.587 G + 0.114 B, rounded.
    #[must_use]
    pub fn grey(self) -> Self {
        let [channels, height, width] = self.shape;
        if channels == 1 {
            return self;
        }
        let places = height * width;
        let byte = |c: usize, i: usize| u32::from(self.pixels[c * places + i]);
        let grey = |i| ((299 * byte(0, i) + 587 * byte(1, i) + 114 * byte(2, i) + 500) / 1000) as u8;
        Self { pixels: (0..places).map(grey).collect(), shape: [1, height, width] }
    }

    /// In another size, without leaving pixels out ([`Interpolation::BilinearAntialias`]), rounded to bytes.
    ///
    /// # Errors
    /// If a side is 0.
    pub fn resized(&self, height: usize, width: usize) -> Result<Self, DataError> {
        let [channels, h, w] = self.shape;
        if [height, width, h, w].contains(&0) {
            return Err(DataError::setting("size of a picture", "at least 1 x 1", format!("{height} x {width}")));
        }
        if (h, w) == (height, width) {
            return Ok(self.clone());
        }
        let from: Vec<f32> = self.pixels.iter().map(|&byte| f32::from(byte)).collect();
        let mut to = vec![0.0; channels * height * width];
        resize_planes(&from, [h, w], &mut to, [height, width], Interpolation::BilinearAntialias);
        let pixels = to.iter().map(|x| x.round_ties_even() as u8).collect();
        Ok(Self { pixels, shape: [channels, height, width] })
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// If the picture has no pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, DataError> {
        let [channels, height, width] = self.shape;
        let places = height * width;
        let color = if channels == 3 { ColorType::Rgb8 } else { ColorType::L8 };
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        // A pixel's channels lie side by side in a PNG.
        let pixels: Vec<u8> =
            (0..self.pixels.len()).map(|i| self.pixels[i % channels * places + i / channels]).collect();
        let mut file = Cursor::new(Vec::new());
        let format = ImageFormat::Png;
        ::image::write_buffer_with_format(&mut file, &pixels, side(width), side(height), color, format)
            .map_err(|error| DataError::setting("picture to write", "one that PNG can hold", error))?;
        Ok(file.into_inner())
    }

    /// Writes a PNG file.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        std::fs::write(path, self.to_png()?).map_err(|e| DataError::io(&path.display().to_string(), e))
    }
}

/// The picture, or none if it has more than so many pixels.
fn decode(bytes: &[u8], most: u64) -> Result<Option<Picture>, String> {
    let reader = |memory| {
        let mut limits = Limits::default();
        limits.max_image_width = Some(MOST_SIDE);
        limits.max_image_height = Some(MOST_SIDE);
        limits.max_alloc = Some(memory);
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
        reader.limits(limits);
        match reader.format() {
            Some(ImageFormat::Jpeg) if !super::jpeg::has_end(bytes) => {
                Err("one without its end marker, mostly because it was cut short".to_owned())
            }
            Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp) => Ok(reader),
            _ if bytes.is_empty() => Err("no bytes at all".to_owned()),
            _ => Err("none of their first bytes".to_owned()),
        }
    };
    let (width, height) = reader(MOST_MEMORY)?.into_dimensions().map_err(|e| e.to_string())?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MOST_PIXELS {
        return Err(format!("{width} x {height} pixels, of which 1 to {MOST_PIXELS} are read"));
    }
    if pixels > most {
        return Ok(None);
    }
    let memory = (pixels * MEMORY_OF_PIXEL + MEMORY_OF_TABLES).min(MOST_MEMORY);
    let decoded = reader(memory)?.decode().map_err(|e| e.to_string())?;
    let pixels = match decoded {
        DynamicImage::ImageRgb8(pixels) => pixels,
        other => other.to_rgb8(),
    };
    let shape = [3, pixels.height() as usize, pixels.width() as usize];
    let (places, raw) = (shape[1] * shape[2], pixels.into_raw());
    Ok(Some(Picture { pixels: (0..3 * places).map(|i| raw[i % places * 3 + i / places]).collect(), shape }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_bytes_and_stay_within() {
        let x: Tensor = Tensor::from_slice(&[-1.0, 0.2, 2.0, f32::NAN], [1, 2, 2]);
        assert_eq!(Picture::from_tensor(&x).unwrap().pixels(), [0, 51, 255, 0]);
        assert!(Picture::from_tensor(&Tensor::<f32>::ones([2, 2])).is_err());
        assert!(Picture::new(vec![0; 8], [2, 2, 2]).is_err());
    }

    #[test]
    fn a_large_picture_is_told_before_it_is_decoded() {
        let png = Picture::new(vec![9; 3 * 6 * 4], [3, 6, 4]).unwrap().to_png().unwrap();
        let read = |most| Picture::parse_up_to("x.png", &png, most).unwrap();
        assert_eq!(read(24).map(|picture| picture.shape()), Some([3, 6, 4]));
        assert_eq!(read(23), None);
        // The header's sides, which its checksum vouches for, are believed before anything is decoded.
        let mut huge = png.clone();
        huge[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let sum = crc32(&huge[12..29]);
        huge[29..33].copy_from_slice(&sum.to_be_bytes());
        let said = Picture::parse("huge.png", &huge).unwrap_err().to_string();
        assert!(said.contains("16384 x 16384 pixels, of which 1 to 134217728 are read"), "{said}");
        assert!(Picture::parse_up_to("huge.png", &huge, 1 << 28).is_err());
    }

    /// PNG's checksum, by its definition.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |s, _| if s & 1 == 1 { s >> 1 ^ 0xedb8_8320 } else { s >> 1 })
        })
    }

    #[test]
    fn grey_and_smaller() {
        let picture = Picture::new(vec![255, 0, 0, 255, 0, 0], [3, 1, 2]).unwrap();
        assert_eq!(picture.clone().grey().pixels(), [76, 150]);
        assert_eq!(picture.resized(1, 1).unwrap().pixels(), [128, 128, 0]);
        assert!(picture.resized(0, 1).is_err());
    }
}
