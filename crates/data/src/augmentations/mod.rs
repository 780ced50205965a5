//! The augmentations: places, colours, and what is blotted out.

mod brightness;
mod center_crop;
mod clamp;
mod color_pca;
mod contrast;
mod cutout;
mod gaussian_noise;
mod horizontal_flip;
mod hue;
mod normalize;
mod pad_crop;
mod random_affine;
mod random_crop;
mod random_erasing;
mod resized_crop;
mod rotation;
mod saturation;
mod vertical_flip;
mod zoom;

pub use brightness::Brightness;
pub use center_crop::CenterCrop;
pub use clamp::Clamp;
pub use color_pca::{ColorPca, ColorScale};
pub use contrast::Contrast;
pub use cutout::Cutout;
pub use gaussian_noise::GaussianNoise;
pub use horizontal_flip::HorizontalFlip;
pub use hue::Hue;
pub use pad_crop::PadCrop;
pub use random_affine::RandomAffine;
pub use random_crop::RandomCrop;
pub use random_erasing::RandomErasing;
pub use resized_crop::ResizedCrop;
pub use rotation::Rotation;
pub use saturation::Saturation;
pub use vertical_flip::VerticalFlip;
pub use zoom::Zoom;

pub(crate) use center_crop::centre;
pub(crate) use pad_crop::check_padding;
