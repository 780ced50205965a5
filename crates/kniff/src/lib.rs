//! Trains neural networks on CPUs, with every trick of the trade built in, explained, checked and fast.
//!
//! This crate is the doormat: the rooms lie behind it, each a crate that is useful alone.
//!
//! | module | what lives there |
//! |---|---|
//! | [`tensor`] | numbers with a shape, the generator of all randomness, the kernels |
//! | [`autograd`] | reverse mode, forward mode, both together; parameters and their gradients |
//! | [`init`] | where weights start |
//! | [`nn`] | layers, heads, losses, `#[derive(Module)]` |
//! | [`optim`] | update rules, clipping, decay, learning-rate schedules |
//! | [`data`] | data sets, loaders, splits, normalisation, readers |
//! | [`formats`] | weights in and out of other systems: safetensors and npz |
//! | [`trainer`] | fit and evaluate, metrics, callbacks, model files |
//!
//! A network that reads handwritten digits, from the data to a number that can be trusted:
//!
//! ```
//! use kniff::prelude::*;
//!
//! // A fifth of every digit is held out; the normalisation is fitted on the rest alone.
//! let rng = Rng::new(42);
//! let data = digits();
//! let (train, test) = stratified_split(data.targets(), 0.2, &mut rng.stream("split"))?;
//! let (train, test) = (data.select(&train)?, data.select(&test)?);
//! let standardizer = Standardizer::fit(train.inputs())?;
//! let train = Loader::new(train.map_inputs(|x| standardizer.transform(x))?)
//!     .batch_size(64)
//!     .shuffle(&rng)
//!     .drop_last(true);
//! let test = Loader::new(test.map_inputs(|x| standardizer.transform(x))?).batch_size(256);
//!
//! // The weights start as the activation wants it, and say so.
//! let init = &mut rng.stream("init");
//! let network: Sequential = Sequential::new()
//!     .with(Linear::without_bias(64, 64, HeNormal, init))
//!     .with(BatchNorm1d::new(64))
//!     .with(Relu)
//!     .with(Dropout::new(0.1))
//!     .with(Linear::new(64, 10, GlorotNormal, init));
//! let model = Model::classifier(network)?;
//!
//! let mut trainer = Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), 5e-3))
//!     .epochs(8)
//!     .seed(42)
//!     .metric(Accuracy::new())
//!     .progress(Progress::Silent);
//! trainer.fit(&train, None)?;
//! assert!(trainer.evaluate(&test)?.metric("accuracy").unwrap() > 0.95);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The examples of this crate go on from here: `digits`, `mnist`, and `by_hand`, the loop without the trainer.
//!
//! # Features
//!
//! What most programs do without takes half of the time that a first build would take. It is off unless asked for; every item that needs it
//! says so.
//!
//! | feature | brings | for |
//! |---|---|---|
//! | `linalg` | faer | fitting PCA and ZCA whitening and colour PCA; the eigenvalues of the loss's curvature: Lanczos, spectral density, reports, `CurvatureWatch` |
//! | `pictures` | image | reading PNG, JPEG and BMP, folders of them, and writing PNG |
//! | `full` | both | |
//!
//! A whitening or a colour PCA that was fitted elsewhere is read, applied and stored without either.
#![forbid(unsafe_code)]

pub use kniff_autograd as autograd;
pub use kniff_data as data;
pub use kniff_formats as formats;
pub use kniff_init as init;
pub use kniff_nn as nn;
pub use kniff_optim as optim;
pub use kniff_tensor as tensor;
pub use kniff_trainer as trainer;

pub mod prelude;
