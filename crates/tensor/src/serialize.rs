//! Storing tensors: the shape and the elements in row-major order.

use crate::{Element, MAX_RANK, Shape, Tensor};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
struct Stored<'a, E> {
    shape: &'a [usize],
    data: &'a [E],
}

#[derive(Deserialize)]
struct Loaded<E> {
    shape: Vec<usize>,
    data: Vec<E>,
}

impl<E: Element> Serialize for Tensor<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = self.contiguous();
        Stored { shape: whole.shape(), data: whole.slice_of() }.serialize(serializer)
    }
}

impl<'de, E: Element> Deserialize<'de> for Tensor<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let loaded = Loaded::<E>::deserialize(deserializer)?;
        let shape = Shape::try_new(&loaded.shape).filter(|shape| shape.numel() == loaded.data.len());
        let Some(shape) = shape else {
            let axes: Vec<usize> = loaded.shape.iter().take(MAX_RANK + 1).copied().collect();
            let elements = loaded.data.len();
            return Err(D::Error::custom(format!("a tensor of shape {axes:?} cannot have {elements} elements")));
        };
        Ok(Tensor::from_vec(loaded.data, shape))
    }
}
