//! An example that is likely to be mislabelled, and lists of them.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// An example whose label the training contradicts, for someone to look at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// The example's number in the data set.
    pub index: usize,
    /// The class that it is labelled with.
    pub given: usize,
    /// The class that the model sees in it, where that is known.
    pub suggested: Option<usize>,
    /// How sure of it the model is: the running mean of ln(p_suggested / p_given), or of the loss where no class is suggested.
    pub score: f64,
    /// The running mean of the example's loss.
    pub loss: f64,
    /// In how many epochs on end the model has contradicted the label.
    pub epochs: u32,
}

/// The list as CSV, a line of names first; where no class is suggested, the field is empty.
///
/// ```
/// use kniff_data::{Suspect, suspects_csv};
/// let list = [Suspect { index: 7, given: 1, suggested: Some(9), score: 4.5, loss: 5.0, epochs: 3 }];
/// assert_eq!(suspects_csv(&list), "index,given,suggested,score,loss,epochs\n7,1,9,4.5,5,3\n");
/// ```
pub fn suspects_csv(suspects: &[Suspect]) -> String {
    let mut text = String::from("index,given,suggested,score,loss,epochs\n");
    for s in suspects {
        let suggested = s.suggested.map(|class| class.to_string()).unwrap_or_default();
        let _ = writeln!(text, "{},{},{suggested},{},{},{}", s.index, s.given, s.score, s.loss, s.epochs);
    }
    text
}
