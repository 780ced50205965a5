//! The wine measurements that come with the crate.

use super::Tabular;

/// 178 wines of one region from three cultivars: 13 chemical measurements.
///
/// "Wine" (S. Aeberhard, M. Forina, 1992; UCI Machine Learning Repository), CC BY 4.0; the same numbers as scikit-learn's
/// `load_wine`.
///
/// ```
/// use kniff_data::{Dataset, wine};
/// let table = wine();
/// assert_eq!((table.data.len(), table.features.len(), table.classes.len()), (178, 13, 3));
/// assert_eq!((table.features[12], table.data.inputs().at(&[0, 12])), ("proline", 1065.0));
/// ```
pub fn wine() -> Tabular {
    let file = include_bytes!("../../assets/wine.csv.gz");
    Tabular::embedded("the embedded wine table", file, &FEATURES, &["class_0", "class_1", "class_2"])
}

const FEATURES: [&str; 13] = [
    "alcohol",
    "malic acid",
    "ash",
    "alcalinity of ash",
    "magnesium",
    "total phenols",
    "flavanoids",
    "nonflavanoid phenols",
    "proanthocyanins",
    "color intensity",
    "hue",
    "od280/od315 of diluted wines",
    "proline",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Moments};

    #[test]
    fn the_table_is_whole() {
        let table = wine();
        table.data.validate_classes(3).unwrap();
        assert_eq!(table.data.input_shape(), [13]);
        // As the data set's description gives them: 59, 71 and 48; the extremes of alcohol and proline.
        let mut counts = [0; 3];
        table.data.targets().as_slice().iter().for_each(|&l| counts[l] += 1);
        assert_eq!(counts, [59, 71, 48]);
        let mut moments = Moments::new(13);
        moments.update(table.data.inputs()).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-3;
        assert!(close(moments.min()[0], 11.03) && close(moments.max()[0], 14.83));
        assert!(close(moments.min()[12], 278.0) && close(moments.max()[12], 1680.0));
    }
}
