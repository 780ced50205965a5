//! A contact sheet of every augmentation of one photograph: `cargo run --release --features full --example augmentations -- PHOTO.png OUT.png`.

mod terminal;

use clap::Parser;
use kniff::data::{
    Augment, Augmentation, Border, Brightness, Clamp, ColorPca, ColorScale, Contrast, Cutout, GaussianNoise,
    HorizontalFlip, Hue, PadCrop, Picture, RandomAffine, RandomCrop, RandomErasing, ResizedCrop, Rotation, Saturation,
    VerticalFlip, Zoom,
};
use kniff::prelude::*;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Draws one row for each augmentation: the photograph, then what becomes of it a few times.
#[derive(Parser)]
struct Options {
    /// A PNG, JPEG or BMP.
    photo: PathBuf,
    /// Where the sheet goes, a PNG.
    out: PathBuf,
    /// What is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How often each augmentation is shown.
    #[arg(long, default_value_t = 5)]
    draws: usize,
    /// The side of one picture in the sheet, in pixels.
    #[arg(long, default_value_t = 96)]
    side: usize,
}

fn main() -> ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let (side, draws) = (options.side.max(16), options.draws.max(1));
    let photo = Picture::read(&options.photo)?;
    let [_, height, width] = photo.shape();
    // The largest square in the middle, in the size of the sheet.
    let square = height.min(width);
    let whole: Tensor = photo.to_tensor();
    let (top, left) = ((height - square) / 2, (width - square) / 2);
    let middle = whole.slice_axis(1, top..top + square).slice_axis(2, left..left + square);
    let image: Tensor = Picture::from_tensor(&middle)?.resized(side, side)?.to_tensor().unsqueeze(0);

    let steps = steps(&image, side)?;
    let gap = 4;
    let size = [3, steps.len() * (side + gap) + gap, (draws + 1) * (side + gap) + gap];
    let mut sheet: Tensor = Tensor::ones(size);
    let rng = Rng::new(options.seed);
    for (row, (name, augment)) in steps.iter().enumerate() {
        say!("row {:2}: {name}", row + 1)?;
        let place = |column: usize| [gap + row * (side + gap), gap + column * (side + gap)];
        paste(&mut sheet, &image, place(0));
        let many = image.broadcast_to([draws, 3, side, side]).contiguous();
        let changed = augment.apply(&many, &rng)?;
        for column in 0..draws {
            paste(&mut sheet, &changed.slice_axis(0, column..column + 1), place(column + 1));
        }
    }
    Picture::from_tensor(&sheet)?.write_png(&options.out)?;
    say!("the sheet is {}; the first column is the photograph itself", options.out.display())?;
    Ok(())
}

/// Every augmentation, stronger than one would train with, so that it is seen.
fn steps(image: &Tensor, side: usize) -> Result<Vec<(&'static str, Augment)>, Box<dyn Error>> {
    fn one(step: impl Augmentation + 'static) -> Augment {
        Augment::new().then(step)
    }
    let affine = RandomAffine::new().rotation(25.0)?.translation(0.15)?.scale(0.7, 1.3)?.shear(15.0)?;
    // One photograph has a spread of colours of its own; a training set would be fitted on instead.
    let colors = ColorPca::fit(image)?.scale(ColorScale::Deviation).std(0.4)?;
    let part = side * 3 / 4;
    let all = Augment::new()
        .then(ResizedCrop::new(side, side)?.area(0.4, 1.0)?)
        .then(HorizontalFlip::new(0.5)?)
        .then(Rotation::new(12.0)?.border(Border::Reflect))
        .then(colors.clone())
        .then(Clamp::new(0.0, 1.0)?)
        .then(Cutout::new(side / 5)?.value(0.5));
    Ok(vec![
        ("random crop", one(RandomCrop::new(part, part))),
        ("pad crop", one(PadCrop::new(side / 6)?)),
        ("pad crop, reflecting", one(PadCrop::new(side / 6)?.border(Border::Reflect))),
        ("resized crop", one(ResizedCrop::new(side, side)?.area(0.2, 0.8)?)),
        ("zoom", one(Zoom::new(0.6, 2.0)?)),
        ("horizontal flip", one(HorizontalFlip::new(0.5)?)),
        ("vertical flip", one(VerticalFlip::new(0.5)?)),
        ("rotation", one(Rotation::new(40.0)?)),
        ("affine", one(affine)),
        ("brightness", one(Brightness::new(0.6)?)),
        ("contrast", one(Contrast::new(0.8)?)),
        ("saturation", one(Saturation::new(1.0)?)),
        ("hue", one(Hue::new(60.0)?)),
        ("colour PCA", one(colors)),
        ("gaussian noise", one(GaussianNoise::new(0.1)?)),
        ("cutout", one(Cutout::new(side / 3)?)),
        ("random erasing", one(RandomErasing::new(1.0)?.noise())),
        ("several at once", all),
    ])
}

/// Copies an image `[1, 3, h, w]` into the sheet, its top left corner at `place`.
fn paste(sheet: &mut Tensor, image: &Tensor, [top, left]: [usize; 2]) {
    let (h, w) = (image.shape()[2], image.shape()[3]);
    let (height, width) = (sheet.shape()[1], sheet.shape()[2]);
    let numbers = image.to_vec();
    for (row, from) in numbers.chunks_exact(w).enumerate() {
        let (c, y) = (row / h, row % h);
        let at = (c * height + top + y) * width + left;
        sheet.make_mut()[at..at + w].copy_from_slice(from);
    }
}
