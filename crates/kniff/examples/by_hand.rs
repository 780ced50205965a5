//! The training loop without the trainer: `cargo run --release --example by_hand`.

mod terminal;

use kniff::prelude::*;
use std::error::Error;
use std::process::ExitCode;
use terminal::{end, say};

fn main() -> ExitCode {
    end(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let rng = Rng::new(1);
    let data = digits();
    let (train, test) = stratified_split(data.targets(), 0.2, &mut rng.stream("split"))?;
    let (train, test) = (data.select(&train)?, data.select(&test)?);
    let standardizer = Standardizer::fit(train.inputs())?;
    let train = Loader::new(train.map_inputs(|x| standardizer.transform(x))?).batch_size(64).shuffle(&rng);

    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new()
        .with(Linear::new(64, 64, HeNormal, init))
        .with(Relu)
        .with(Dropout::new(0.2))
        .with(Linear::new(64, 10, GlorotNormal, init));
    let mut model = Model::classifier(network)?;
    let (loss, mut optimizer) = (CrossEntropy::new(), Optimizer::new(Adam::default(), 3e-3));

    // Every step has a generator of its own, so that no draw depends on the ones before.
    let dropout = rng.stream("dropout");
    let mut step = 0;
    for epoch in 0..20 {
        let mut sum = 0.0;
        for batch in train.epoch(epoch) {
            let batch = batch?;
            let output = model.forward_train(&Var::constant(batch.inputs), &mut dropout.keyed(step));
            let value = loss.loss(&output, &batch.targets)?;
            sum += f64::from(value.item());
            let gradients = value.backward();
            optimizer.step(model.parameters_mut(), &gradients)?;
            step += 1;
        }
        say!("epoch {:2}: loss {:.4}", epoch + 1, sum / train.len() as f64)?;
    }

    let logits = model.predict(&standardizer.transform(test.inputs())?);
    let classes = logits.classes();
    let right = classes.as_slice().iter().zip(test.targets().as_slice()).filter(|(a, b)| a == b).count();
    say!("held-out accuracy {:.2} % of {}", 100.0 * right as f64 / test.len() as f64, test.len())?;
    Ok(())
}
