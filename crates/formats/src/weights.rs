//! Tensors with names, between a file and a model.

use crate::FormatError;
use kniff_nn::{Module, ModuleExt, StateError};
use kniff_tensor::{Element, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// The tensors of a file or a model, with their names.
///
/// A file's names and a model's differ where their structs do. What is in between is done here, before anything is loaded:
///
/// ```
/// use kniff_formats::Weights;
/// use kniff_init::HeNormal;
/// use kniff_nn::layers::Linear;
/// use kniff_tensor::{Rng, Tensor};
/// // As a model that was wrapped for several devices would have been saved, its matrix in the layout [in, out] of Keras.
/// let kernel = Tensor::<f32>::arange(6).reshape([3, 2]);
/// let file = Weights::new([("module.fc.kernel".into(), kernel), ("module.fc.bias".into(), Tensor::ones([2]))])?;
/// let weights = file
///     .under("module.fc.")?
///     .rename(|name| name.replace("kernel", "weight"))?
///     .map(|name, tensor| if name == "weight" { tensor.t().contiguous() } else { tensor });
/// let mut layer: Linear = Linear::new(3, 2, HeNormal, &mut Rng::new(0));
/// weights.load_into(&mut layer)?;
/// assert_eq!(layer.weight().value().to_vec(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
/// # Ok::<(), kniff_formats::FormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<E: Element = f32> {
    /// Where they came from, for messages.
    file: String,
    tensors: Vec<(String, Tensor<E>)>,
}

/// What [`Weights::load_partial`] did and what it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// Names that were loaded.
    pub loaded: Vec<String>,
    /// Names that the model has and the weights have not; they are as they were.
    pub missing: Vec<String>,
    /// Names that the weights have and the model has not; they are not used.
    pub unexpected: Vec<String>,
}

impl<E: Element> Weights<E> {
    /// Tensors with given names.
    ///
    /// # Errors
    /// [`FormatError::Names`] if two have one name.
    pub fn new(tensors: impl IntoIterator<Item = (String, Tensor<E>)>) -> Result<Self, FormatError> {
        Self::of_file("weights in memory", tensors.into_iter().collect())
    }

    /// The parameters and buffers of a model. Nothing is copied until the model changes.
    pub fn of(model: &(impl Module<E> + ?Sized)) -> Self {
        Self { file: "a model in memory".into(), tensors: model.state() }
    }

    pub(crate) fn of_file(file: &str, tensors: Vec<(String, Tensor<E>)>) -> Result<Self, FormatError> {
        Self { file: file.to_owned(), tensors }.checked()
    }

    fn checked(self) -> Result<Self, FormatError> {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(FormatError::Names { file: self.file.clone(), name: pair[0].to_owned() }),
            None => Ok(self),
        }
    }

    /// The tensors with their names, in the file's order.
    pub fn tensors(&self) -> &[(String, Tensor<E>)] {
        &self.tensors
    }

    /// The names, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name.as_str())
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor<E>> {
        self.tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor)
    }

    /// The tensors with their names.
    pub fn into_tensors(self) -> Vec<(String, Tensor<E>)> {
        self.tensors
    }

    /// With every name changed by `new`.
    ///
    /// # Errors
    /// [`FormatError::Names`] if two tensors end up with one name.
    pub fn rename(mut self, mut new: impl FnMut(&str) -> String) -> Result<Self, FormatError> {
        self.tensors.iter_mut().for_each(|(name, _)| *name = new(name));
        self.checked()
    }

    /// With a prefix taken off the names that have it; the others stay.
    ///
    /// # Errors
    /// [`FormatError::Names`] if two tensors end up with one name.
    pub fn strip_prefix(self, prefix: &str) -> Result<Self, FormatError> {
        self.rename(|name| name.strip_prefix(prefix).unwrap_or(name).to_owned())
    }

    /// Those whose names have a prefix, and that taken off: one part of a larger model.
    ///
    /// # Errors
    /// [`FormatError::Names`] if two tensors end up with one name.
    pub fn under(self, prefix: &str) -> Result<Self, FormatError> {
        self.filter(|name| name.starts_with(prefix)).strip_prefix(prefix)
    }

    /// Those whose names are wanted.
    #[must_use]
    pub fn filter(mut self, mut wanted: impl FnMut(&str) -> bool) -> Self {
        self.tensors.retain(|(name, _)| wanted(name));
        self
    }

    /// With every tensor changed by `new`, for systems with other layouts.
    #[must_use]
    pub fn map(mut self, mut new: impl FnMut(&str, Tensor<E>) -> Tensor<E>) -> Self {
        self.tensors = self.tensors.into_iter().map(|(name, x)| (name.clone(), new(&name, x))).collect();
        self
    }

    /// Puts all of them into a model that has exactly these names and shapes.
    ///
    /// # Errors
    /// [`FormatError::State`] with every name that is missing, unexpected or of another shape; the model is as it was.
    pub fn load_into(&self, model: &mut (impl Module<E> + ?Sized)) -> Result<(), FormatError> {
        model.load_state(&self.tensors).map_err(|source| FormatError::State { file: self.file.clone(), source })
    }

    /// Puts those into a model whose names it has, and says which, and what was left on both sides.
    ///
    /// For a new head on old features, and for files without `num_batches_tracked`.
    ///
    /// # Errors
    /// [`FormatError::State`] with every name that fits and whose shape does not; [`FormatError::Nothing`] if not one name fits.
    /// The model is as it was.
    pub fn load_partial(&self, model: &mut (impl Module<E> + ?Sized)) -> Result<Partial, FormatError> {
        let own: BTreeMap<&str, &Tensor<E>> = self.tensors.iter().map(|(name, x)| (name.as_str(), x)).collect();
        let (mut state, mut done, mut error) = (model.state(), Partial::default(), StateError::default());
        for (name, place) in &mut state {
            match own.get(name.as_str()) {
                None => done.missing.push(name.clone()),
                Some(x) if x.shape() != place.shape() => {
                    error.misshapen.push((name.clone(), place.shape().to_vec(), x.shape().to_vec()));
                }
                Some(x) => {
                    *place = (*x).clone();
                    done.loaded.push(name.clone());
                }
            }
        }
        let refused = |source| FormatError::State { file: self.file.clone(), source };
        if !error.misshapen.is_empty() {
            return Err(refused(error));
        }
        if done.loaded.is_empty() {
            let wants = first(state.iter().map(|(name, _)| name.as_str()));
            return Err(FormatError::Nothing { file: self.file.clone(), has: first(self.names()), wants });
        }
        let loaded: BTreeSet<&str> = done.loaded.iter().map(String::as_str).collect();
        done.unexpected = self.names().filter(|name| !loaded.contains(name)).map(str::to_owned).collect();
        model.load_state(&state).map_err(refused)?;
        Ok(done)
    }
}

/// The first few of some names, for a message.
fn first<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const FEW: usize = 4;
    let all: Vec<String> = names.map(|name| name.chars().take(80).collect()).collect();
    match all.len() {
        0 => "none".into(),
        n if n > FEW => format!("{}, and {} more", all[..FEW].join(", "), n - FEW),
        _ => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_init::HeNormal;
    use kniff_nn::layers::{Linear, Sequential};
    use kniff_tensor::Rng;

    fn network(seed: u64) -> Sequential {
        let rng = &mut Rng::new(seed);
        Sequential::new().with(Linear::new(2, 3, HeNormal, rng)).with(Linear::new(3, 2, HeNormal, rng))
    }

    #[test]
    fn a_new_head_on_old_features() {
        let old = Weights::of(&network(1)).filter(|name| name.starts_with("0."));
        let old = Weights::new(old.into_tensors().into_iter().chain([("head".to_owned(), Tensor::ones([1]))])).unwrap();
        let mut model = network(2);
        let done = old.load_partial(&mut model).unwrap();
        assert_eq!(done.loaded, ["0.weight", "0.bias"]);
        assert_eq!(done.missing, ["1.weight", "1.bias"]);
        assert_eq!(done.unexpected, ["head"]);
        assert_eq!(model.state()[..2], network(1).state()[..2]);
        assert_eq!(model.state()[2..], network(2).state()[2..]);
    }

    #[test]
    fn what_does_not_fit_is_all_named_and_changes_nothing() {
        let wrong = Weights::of(&network(1)).rename(|name| name.replace("1.bias", "1.offset")).unwrap();
        let wrong = wrong.map(|name, x| if name == "0.weight" { x.t().contiguous() } else { x });
        let mut model = network(2);
        let said = wrong.load_into(&mut model).unwrap_err().to_string();
        assert!(
            ["missing: 1.bias", "unexpected: 1.offset", "0.weight: the model has shape [3, 2], the state [2, 3]"]
                .iter()
                .all(|words| said.contains(words)),
            "{said}"
        );
        let said = wrong.load_partial(&mut model).unwrap_err().to_string();
        assert!(said.contains("0.weight: the model has shape [3, 2]"), "{said}");
        let foreign = Weights::of(&network(1)).rename(|name| format!("module.{name}")).unwrap();
        let said = foreign.load_partial(&mut model).unwrap_err().to_string();
        assert!(
            said.contains("the file has module.0.weight, module.0.bias") && said.contains("strip a prefix"),
            "{said}"
        );
        assert_eq!(model.state(), network(2).state());
        foreign.strip_prefix("module.").unwrap().load_into(&mut model).unwrap();
        assert_eq!(model.state(), network(1).state());
    }

    #[test]
    fn names_stay_apart() {
        let error = Weights::of(&network(1)).rename(|_| "w".into()).unwrap_err();
        assert!(matches!(&error, FormatError::Names { name, .. } if name == "w"), "{error}");
        let two = [("a".to_owned(), Tensor::<f32>::ones([1])), ("a".to_owned(), Tensor::ones([2]))];
        assert!(Weights::new(two).is_err());
        let part = Weights::of(&network(1)).under("1.").unwrap();
        assert_eq!(part.names().collect::<Vec<_>>(), ["weight", "bias"]);
        assert!(part.get("bias").is_some() && part.get("0.bias").is_none());
    }
}
