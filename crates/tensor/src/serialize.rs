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
        let count = loaded.shape.iter().try_fold(1usize, |n, &a| n.checked_mul(a));
        if loaded.shape.len() > MAX_RANK || count != Some(loaded.data.len()) {
            return Err(D::Error::custom(format!(
                "a tensor of shape {:?} cannot have {} elements",
                loaded.shape,
                loaded.data.len()
            )));
        }
        Ok(Tensor::from_vec(loaded.data, Shape::new(&loaded.shape)))
    }
}
