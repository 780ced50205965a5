//! The breast cancer measurements that come with the crate.

use super::Tabular;

/// 569 tumours: 30 measurements of their cell nuclei, in units that differ by a factor of 100,000; malignant (0) or benign (1).
///
/// "Breast Cancer Wisconsin (Diagnostic)" (W. Wolberg, O. Mangasarian, N. Street, W. Street, 1993; UCI Machine Learning
/// Repository), CC BY 4.0; the same numbers as scikit-learn's `load_breast_cancer`. Each of ten quantities comes as mean,
/// standard error and worst (the mean of the three largest) over the nuclei of an image.
///
/// ```
/// use kniff_data::{Dataset, breast_cancer};
/// let table = breast_cancer();
/// assert_eq!((table.data.len(), table.features.len()), (569, 30));
/// assert_eq!(table.classes, ["malignant", "benign"]);
/// assert_eq!((table.features[3], table.data.inputs().at(&[0, 3])), ("mean area", 1001.0));
/// ```
pub fn breast_cancer() -> Tabular {
    let file = include_bytes!("../../assets/breast_cancer.csv.gz");
    Tabular::embedded("the embedded breast cancer table", file, &FEATURES, &["malignant", "benign"])
}

const FEATURES: [&str; 30] = [
    "mean radius",
    "mean texture",
    "mean perimeter",
    "mean area",
    "mean smoothness",
    "mean compactness",
    "mean concavity",
    "mean concave points",
    "mean symmetry",
    "mean fractal dimension",
    "radius error",
    "texture error",
    "perimeter error",
    "area error",
    "smoothness error",
    "compactness error",
    "concavity error",
    "concave points error",
    "symmetry error",
    "fractal dimension error",
    "worst radius",
    "worst texture",
    "worst perimeter",
    "worst area",
    "worst smoothness",
    "worst compactness",
    "worst concavity",
    "worst concave points",
    "worst symmetry",
    "worst fractal dimension",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Moments};

    #[test]
    fn the_table_is_whole() {
        let table = breast_cancer();
        table.data.validate_classes(2).unwrap();
        assert_eq!(table.data.input_shape(), [30]);
        // As the data set's description gives them: 212 malignant, 357 benign; the extremes of the first and of the area.
        let benign = table.data.targets().as_slice().iter().sum::<usize>();
        assert_eq!((table.data.len() - benign, benign), (212, 357));
        let mut moments = Moments::new(30);
        moments.update(table.data.inputs()).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-3;
        assert!(close(moments.min()[0], 6.981) && close(moments.max()[0], 28.11));
        assert!(close(moments.min()[3], 143.5) && close(moments.max()[3], 2501.0));
    }
}
