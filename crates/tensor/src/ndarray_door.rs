//! The door to ndarray: in and out without copying where the layout allows.

use crate::{Element, Shape, Tensor};
use ndarray::{Array, ArrayBase, ArrayD, ArrayViewD, Data, Dimension, IxDyn, ShapeBuilder};

impl<E: Element> Tensor<E> {
    /// Takes an ndarray array over; copies only if it is not in standard (row-major) layout.
    #[track_caller]
    pub fn from_ndarray<D: Dimension>(array: Array<E, D>) -> Self {
        let shape = Shape::new(array.shape());
        if array.is_standard_layout() {
            let (data, offset) = array.into_raw_vec_and_offset();
            let strides = shape.row_major_strides();
            let buffer = std::sync::Arc::new(crate::buffer::Buffer::from_vec(data));
            return Tensor { buffer, shape, strides, offset: offset.unwrap_or(0) };
        }
        Self::from_ndarray_view(&array)
    }

    /// Copies an ndarray array or view of any layout.
    #[track_caller]
    pub fn from_ndarray_view<S: Data<Elem = E>, D: Dimension>(array: &ArrayBase<S, D>) -> Self {
        let mut out = Tensor::scratch(array.shape());
        for (o, &x) in out.fresh_mut().iter_mut().zip(array.iter()) {
            *o = x;
        }
        out
    }

    /// An ndarray view of this tensor, strides and all; copies nothing.
    pub fn view(&self) -> ArrayViewD<'_, E> {
        let shape = IxDyn(&self.shape).strides(IxDyn(&self.strides));
        match ArrayViewD::from_shape(shape, self.raw()) {
            Ok(view) => view,
            // Only an empty tensor can have strides that reach past its buffer.
            Err(_) => ArrayViewD::from_shape(IxDyn(&self.shape), &[]).expect("an empty tensor"),
        }
    }

    /// Turns into an ndarray array; copies only if the buffer is shared or the layout is not row-major.
    pub fn into_ndarray(self) -> ArrayD<E> {
        if !self.is_contiguous() {
            return self.contiguous().into_ndarray();
        }
        let (shape, offset, len) = (self.shape, self.offset, self.len());
        match std::sync::Arc::try_unwrap(self.buffer) {
            Ok(buffer) => {
                let (data, start, _) = buffer.into_parts();
                let from = start + offset;
                let flat = Array::from_vec(data).slice_move(ndarray::s![from..from + len]);
                flat.into_shape_with_order(IxDyn(&shape)).expect("a contiguous array of the same length")
            }
            Err(shared) => ArrayD::from_shape_vec(IxDyn(&shape), shared.as_slice()[offset..offset + len].to_vec())
                .expect("a vector of the shape's length"),
        }
    }
}

impl<E: Element, D: Dimension> From<Array<E, D>> for Tensor<E> {
    fn from(array: Array<E, D>) -> Self {
        Tensor::from_ndarray(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn in_and_out_keep_the_memory_where_it_is() {
        let a = Array2::from_shape_fn((40, 30), |(i, j)| (i * 30 + j) as f32);
        let at = a.as_ptr();
        let t = Tensor::from_ndarray(a.clone());
        assert_eq!(t.view(), a.view().into_dyn());
        drop(t);
        let t = Tensor::from_ndarray(a);
        assert_eq!(t.as_slice().unwrap().as_ptr(), at);
        let back = t.into_ndarray();
        assert_eq!(back.as_ptr(), at);
        let own: Tensor = Tensor::ones([50, 20]);
        let at = own.as_slice().unwrap().as_ptr();
        assert_eq!(own.into_ndarray().as_ptr(), at);
    }

    #[test]
    fn column_major_and_views_come_in_right() {
        let a = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let t = Tensor::from_ndarray(a.t().to_owned());
        assert_eq!(t.shape(), &[3, 2]);
        assert_eq!(t.to_vec(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(Tensor::from_ndarray(a).t().view()[[2, 1]], 6.0);
    }

    #[test]
    fn shared_broadcast_and_empty_tensors_go_out() {
        let a: Tensor = Tensor::from_slice(&[1.0, 2.0], [2]);
        let wide = a.broadcast_to([2, 2]);
        assert_eq!(wide.view()[[1, 1]], 2.0);
        assert_eq!(wide.into_ndarray().shape(), [2, 2]);
        assert_eq!(a.clone().into_ndarray().len(), 2);
        assert_eq!(Tensor::<f32>::zeros([3, 0]).view().shape(), [3, 0]);
    }
}
