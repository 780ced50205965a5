//! The views of an image that a network is asked about at test time, as they follow from how it was trained.

use crate::{Augment, DataError, Views};
use kniff_tensor::{Element, Rng};

/// Views of an image whose answers are averaged, derived from the training's [`Augment`].
///
/// Every step says what stands for it at test time: a random crop becomes its centre (the images must keep their size) and, if asked
/// for, the corners; a flip the image and its mirror image; colour PCA the image and some variations drawn once by the seed; a
/// normalisation stays; noise and the like are left out. The views are all combinations, the plain one first.
///
/// ```
/// use kniff_data::{Augment, HorizontalFlip, RandomCrop, TestTimePlan, Views};
/// use kniff_tensor::Rng;
/// let train = Augment::<f32>::new().then(RandomCrop::new(28, 28)).then(HorizontalFlip::new(0.5)?);
/// let ten = Views { corners: true, mirrored: true, colors: 0 };
/// let plan = TestTimePlan::of(&train, [3, 32, 32], ten, &Rng::new(0))?;
/// assert_eq!(plan.len(), 10);
/// assert_eq!(plan.names()[..3], ["plain", "mirrored", "top left"]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TestTimePlan<E: Element = f32> {
    name: String,
    names: Vec<String>,
    views: Vec<Augment<E>>,
}

impl<E: Element> TestTimePlan<E> {
    /// The views of images `[channels, height, width]` that `which` asks for and the training has.
    ///
    /// # Errors
    /// What a step of the training says that such images do not fit.
    pub fn of(train: &Augment<E>, shape: [usize; 3], which: Views, rng: &Rng) -> Result<Self, DataError> {
        // What the steps draw for the test depends on the step and the seed alone, so a larger plan holds the smaller one's views.
        let streams = train.streams(&rng.stream("test-time plan"));
        let mut views: Vec<(Vec<String>, Augment<E>)> = vec![(Vec::new(), Augment::new())];
        let mut shape = shape;
        for (step, mut stream) in train.steps().iter().zip(streams) {
            let after = step.output_shape(shape)?;
            let mut options = step.at_test(shape, &which, &mut stream);
            options.iter_mut().for_each(|option| *option = option.clone().made_for(shape));
            shape = match options.first() {
                Some(plain) => crate::Augmentation::<E>::output_shape(plain, shape)?,
                None if after == shape => continue,
                None => {
                    let expected = "a step that changes the size of images to say what stands for it at test time";
                    return Err(DataError::setting("test-time plan", expected, step.name()));
                }
            };
            let all = views.iter().flat_map(|(names, view)| {
                options.iter().map(|option| {
                    let mut names = names.clone();
                    let name = crate::Augmentation::<E>::name(option);
                    if !name.is_empty() {
                        names.push(name.to_owned());
                    }
                    (names, view.clone().then(option.clone()))
                })
            });
            views = all.collect();
        }
        let word = |yes: bool, word: String| yes.then_some(word);
        let words = [
            word(which.corners, "corners".into()),
            word(which.mirrored, "mirrored".into()),
            word(which.colors > 0, format!("{} colours", which.colors)),
        ];
        let name = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let (names, views): (Vec<_>, Vec<_>) = views.into_iter().unzip();
        let named = |names: Vec<String>| if names.is_empty() { "plain".into() } else { names.join(", ") };
        Ok(Self {
            name: if name.is_empty() { "plain".into() } else { name },
            names: names.into_iter().map(named).collect(),
            views,
        })
    }

    /// Plans of growing cost: one view; mirrored; with corners; with `colors` variations of the colours; those that add nothing left out.
    ///
    /// # Errors
    /// As [`TestTimePlan::of`].
    pub fn growing(train: &Augment<E>, shape: [usize; 3], colors: usize, rng: &Rng) -> Result<Vec<Self>, DataError> {
        let mut plans: Vec<Self> = Vec::new();
        let steps = [
            Views::default(),
            Views { mirrored: true, ..Views::default() },
            Views { colors, ..Views::default() },
            Views { mirrored: true, colors, ..Views::default() },
            Views { corners: true, mirrored: true, colors: 0 },
            Views { corners: true, mirrored: true, colors },
        ];
        for which in steps {
            let plan = Self::of(train, shape, which, rng)?;
            if plans.iter().all(|known| known.names != plan.names) {
                plans.push(plan);
            }
        }
        plans.sort_by_key(Self::len);
        Ok(plans)
    }

    /// What was asked for, in words.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What each view is.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The views: pipelines with nothing random in them.
    pub fn views(&self) -> &[Augment<E>] {
        &self.views
    }

    /// How many views there are: how often the network is run for each image.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there are none; never the case.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColorPca, GaussianNoise, HorizontalFlip, PadCrop, PerChannel, RandomCrop, ten_crop};
    use kniff_tensor::Tensor;

    #[test]
    fn the_views_are_the_crops_of_the_training() {
        let train = Augment::new()
            .then(RandomCrop::new(3, 2))
            .then(GaussianNoise::new(1.0).unwrap())
            .then(HorizontalFlip::new(0.5).unwrap());
        let images: Tensor<f64> = Tensor::randn([2, 3, 7, 5], &mut Rng::new(1));
        let which = Views { corners: true, mirrored: true, colors: 3 };
        let plan = TestTimePlan::of(&train, [3, 7, 5], which, &Rng::new(0)).unwrap();
        assert_eq!((plan.len(), plan.name()), (10, "corners, mirrored, 3 colours"));
        let ten = ten_crop(&images, 3, 2).unwrap();
        // Here the centre is first and its mirror image second; there the corners lead and the mirrored ones follow.
        for (view, crop) in plan.views().iter().zip([4, 9, 0, 5, 1, 6, 2, 7, 3, 8]) {
            assert_eq!(view.apply(&images, &Rng::new(9)).unwrap(), ten.select(0, crop).contiguous());
        }
    }

    #[test]
    fn plans_grow_and_leave_out_what_the_training_has_not() {
        let pca = ColorPca::new([0.2, 0.1, 0.05], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
        let normalize = PerChannel::new(vec![0.5; 3], vec![0.25; 3]).unwrap();
        let train = Augment::<f32>::new().then(PadCrop::new(2).unwrap()).then(HorizontalFlip::new(0.5).unwrap());
        let train = train.then(pca).then(normalize.clone());
        let plans = TestTimePlan::growing(&train, [3, 8, 8], 2, &Rng::new(0)).unwrap();
        assert_eq!(plans.iter().map(TestTimePlan::len).collect::<Vec<_>>(), [1, 2, 3, 6, 10, 30]);
        let image: Tensor = Tensor::randn([1, 3, 8, 8], &mut Rng::new(1));
        let plain = plans[0].views()[0].apply(&image, &Rng::new(0)).unwrap();
        let expected = crate::Normalizer::transform(&normalize, &image).unwrap();
        assert!(plain.to_vec().iter().zip(expected.to_vec()).all(|(a, b)| (a - b).abs() < 1e-5));
        let plans = TestTimePlan::growing(&Augment::<f32>::new(), [3, 8, 8], 2, &Rng::new(0)).unwrap();
        assert_eq!(plans.len(), 1);
    }

    #[test]
    fn a_plan_refuses_images_that_it_was_not_made_for() {
        let train = Augment::<f32>::new().then(RandomCrop::new(6, 6));
        let plan = TestTimePlan::of(&train, [3, 16, 16], Views::default(), &Rng::new(0)).unwrap();
        for size in [8, 32] {
            let error = plan.views()[0].apply(&Tensor::zeros([1, 3, size, size]), &Rng::new(0)).unwrap_err();
            assert!(error.to_string().contains("[3, 16, 16], which the plan was made for"), "{error}");
        }
        assert!(plan.views()[0].apply(&Tensor::zeros([1, 3, 16, 16]), &Rng::new(0)).is_ok());
    }

    #[test]
    fn the_same_seed_gives_the_same_colours() {
        let pca = ColorPca::new([0.2, 0.1, 0.05], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
        let train = Augment::<f32>::new().then(pca);
        let image: Tensor = Tensor::zeros([1, 3, 1, 1]);
        let colours = |seed, colors| -> Vec<Vec<f32>> {
            let which = Views { colors, ..Views::default() };
            let plan = TestTimePlan::of(&train, [3, 1, 1], which, &Rng::new(seed)).unwrap();
            plan.views().iter().map(|view| view.apply(&image, &Rng::new(5)).unwrap().to_vec()).collect()
        };
        assert_eq!(colours(1, 3), colours(1, 3));
        assert_eq!(colours(1, 3), colours(1, 5)[..4]);
        assert_ne!(colours(1, 3), colours(2, 3));
    }
}
