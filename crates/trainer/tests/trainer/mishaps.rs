//! What someone in a hurry does with checkpoints: the wrong folder, an empty file, the same folder twice.

use crate::folder::Folder;
use crate::networks::{clouds, loader, trainer};
use kniff_data::{Loader, TensorDataset};
use kniff_init::GlorotNormal;
use kniff_nn::{Model, ModuleExt, ValueHead, layers::Linear, losses::MeanSquaredError};
use kniff_optim::{Momentum, Optimizer};
use kniff_tensor::{Rng, Tensor};
use kniff_trainer::{Checkpoint, Checkpoints, Control, FileError, Progress, TrainError, Trainer};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A folder with the checkpoints of one epoch: after steps 0, 4 and 6.
fn trained(name: &str) -> Folder {
    let folder = Folder::new(name);
    let checkpoints = Checkpoints::in_folder(folder.path()).every_steps(4).every_epochs(1).keep(9);
    trainer().epochs(1).checkpoints(checkpoints).fit(&loader(clouds(96, 1)), None).unwrap();
    folder
}

/// What resuming from there says; the trainer is as it was.
fn refused(path: impl AsRef<Path>) -> String {
    let mut trainer = trainer();
    let before = trainer.model().state();
    let error = trainer.resume(path.as_ref()).unwrap_err().to_string();
    assert_eq!(trainer.model().state(), before);
    assert!(error.contains(&path.as_ref().display().to_string()), "{error}");
    error
}

#[test]
fn what_is_no_checkpoint_is_refused_by_name() {
    let folder = Folder::new("mishaps-none");
    assert!(refused(folder.file("nowhere")).contains("No such file"));
    assert!(refused(folder.path()).contains("there is no checkpoint in this folder"));
    fs::write(folder.file("step-000000009.kniff"), "").unwrap();
    assert!(refused(folder.file("step-000000009.kniff")).contains("found nothing"));
    // In a folder of none that is whole, the newest says what is wrong.
    let error = trainer().resume(folder.path()).unwrap_err().to_string();
    assert!(error.contains("step-000000009.kniff") && error.contains("found nothing"), "{error}");
    fs::create_dir(folder.file("step-000000010.kniff")).unwrap();
    assert!(refused(folder.file("step-000000010.kniff")).contains("there is no checkpoint in this folder"));
    fs::write(folder.file("notes.txt"), "KNCKP").unwrap();
    assert!(refused(folder.file("notes.txt")).contains("found a file of 5 bytes"));
}

#[test]
#[cfg(unix)]
fn links_that_lead_in_circles_or_nowhere_are_errors_of_the_system() {
    let folder = Folder::new("mishaps-links");
    std::os::unix::fs::symlink(folder.file("b"), folder.file("a")).unwrap();
    std::os::unix::fs::symlink(folder.file("a"), folder.file("b")).unwrap();
    assert!(refused(folder.file("a")).contains("symbolic links"));
    let error = Checkpoint::<f32>::newest_in(folder.file("a")).unwrap_err();
    assert!(matches!(error, FileError::Io { .. }), "{error}");
    assert_eq!(Checkpoint::<f32>::newest_in(folder.file("nowhere")).unwrap(), None);
    let mut trainer = trainer().checkpoints(Checkpoints::in_folder(folder.file("a")));
    let error = trainer.fit(&loader(clouds(96, 1)), None).unwrap_err();
    assert!(matches!(error, TrainError::File(FileError::Io { .. })), "{error}");
}

#[test]
fn an_empty_newest_one_is_passed_over_and_drafts_are_swept() {
    let folder = trained("mishaps-drafts");
    fs::write(folder.file("step-000000999.kniff"), "").unwrap();
    fs::write(folder.file(".step-000000007.kniff.1.0.partial"), "half of one").unwrap();
    fs::write(folder.file("mine.partial"), "not a checkpoint's").unwrap();
    let mut again = trainer().epochs(2).checkpoints(Checkpoints::in_folder(folder.path()));
    again.resume(folder.path()).unwrap();
    let report = again.fit(&loader(clouds(96, 1)), None).unwrap();
    assert_eq!(report.epochs, 1);
    assert!(!folder.file(".step-000000007.kniff.1.0.partial").exists() && folder.file("mine.partial").exists());
}

#[test]
fn numbers_of_another_type_are_told_from_a_damaged_file() {
    let folder = trained("mishaps-type");
    let error = Checkpoint::<f64>::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("expected elements of type f64, found f32; load it with elements of type f32"), "{error}");
}

#[test]
fn counts_of_nothing_are_refused_before_the_first_step() {
    let folder = Folder::new("mishaps-zero");
    let none = || Checkpoints::in_folder(folder.file("checkpoints"));
    let all =
        [(none().keep(0), "keep"), (none().every_steps(0), "every_steps"), (none().every_epochs(0), "every_epochs")];
    for (checkpoints, name) in all {
        let mut trainer = trainer().checkpoints(checkpoints);
        let before = trainer.model().state();
        let error = trainer.fit(&loader(clouds(96, 1)), None).unwrap_err().to_string();
        assert_eq!(error, format!("Checkpoints::{name} is 0, but must be at least 1"));
        assert_eq!(trainer.model().state(), before);
    }
    assert!(!folder.file("checkpoints").exists());
}

#[test]
fn past_the_end_there_is_nothing_to_do() {
    let folder = trained("mishaps-end");
    let mut again = trainer().epochs(1);
    again.resume(folder.path()).unwrap();
    let before = again.model().state();
    let report = again.fit(&loader(clouds(96, 1)), None).unwrap();
    assert_eq!((report.epochs, report.history.epochs.len()), (0, 1));
    assert_eq!(again.model().state(), before);
    // And then it trains on like any trainer.
    assert_eq!(again.fit(&loader(clouds(96, 1)), None).unwrap().epochs, 1);
}

#[test]
fn another_batch_size_and_another_number_of_examples_are_told() {
    let folder = trained("mishaps-data");
    let say = |data: Loader<crate::networks::Data>| {
        let mut again = trainer().epochs(2);
        again.resume(folder.path()).unwrap();
        again.fit(&data, None).unwrap_err().to_string()
    };
    let error = say(loader(clouds(96, 1)).batch_size(8));
    assert!(error.contains("batch size: 16 in the checkpoint, 8 here"), "{error}");
    let error = say(loader(clouds(99, 1)));
    assert!(error.contains("examples: 96 in the checkpoint, 99 here"), "{error}");
}

#[test]
#[cfg(unix)]
fn a_folder_takes_one_training_at_a_time() {
    let folder = Folder::new("mishaps-twice");
    let checkpoints = folder.file("checkpoints");
    let (inner, said) = (checkpoints.clone(), Arc::new(Mutex::new(Vec::new())));
    let heard = said.clone();
    let mut first = trainer().epochs(2).checkpoints(Checkpoints::in_folder(&checkpoints)).on_epoch_end(move |_| {
        let again = || trainer().epochs(9).on_epoch_end(|_| Control::Continue);
        let mut second = again().checkpoints(Checkpoints::in_folder(&inner));
        second.resume(&inner).unwrap();
        let error = second.fit(&loader(clouds(96, 1)), None).unwrap_err();
        assert!(matches!(error, TrainError::Busy { .. }), "{error}");
        heard.lock().unwrap().push(error.to_string());
        Control::Continue
    });
    first.fit(&loader(clouds(96, 1)), None).unwrap();
    let said = said.lock().unwrap();
    assert!(said.len() == 2 && said[0].contains("another training is writing its checkpoints into"), "{said:?}");
    // It is free again, and the one that was kept out can still go on from where it was resumed.
    let mut second = trainer().epochs(2).on_epoch_end(|_| Control::Continue);
    second = second.checkpoints(Checkpoints::in_folder(&checkpoints));
    second.resume(checkpoints.join("step-000000006.kniff")).unwrap();
    let lock = fs::File::open(&checkpoints).unwrap();
    lock.try_lock().unwrap();
    assert!(matches!(second.fit(&loader(clouds(96, 1)), None).unwrap_err(), TrainError::Busy { .. }));
    drop(lock);
    second.fit(&loader(clouds(96, 1)), None).unwrap();
    assert_eq!(second.model().state(), first.model().state());
    // And is still that of the first.
    let error = trainer().checkpoints(Checkpoints::in_folder(&checkpoints)).fit(&loader(clouds(96, 1)), None);
    assert!(matches!(error.unwrap_err(), TrainError::Occupied { .. }));
}

#[test]
fn targets_that_are_not_numbers_are_refused_with_their_example() {
    let mut rng = Rng::new(1);
    let mut targets = Tensor::<f32>::randn([12, 1], &mut rng);
    targets.make_mut()[7] = f32::NAN;
    let data = TensorDataset::new(Tensor::randn([12, 2], &mut rng), targets).unwrap();
    let model = Model::regressor(Linear::new(2, 1, GlorotNormal, &mut rng)).unwrap();
    let mut trainer: Trainer<_, ValueHead, Tensor> =
        Trainer::new(model, MeanSquaredError::new(), Optimizer::new(Momentum::default(), 0.1))
            .progress(Progress::Silent);
    let before = trainer.model().state();
    let error = trainer.fit(&Loader::new(data).batch_size(4), None).unwrap_err().to_string();
    assert!(error.contains('7') && error.to_lowercase().contains("nan"), "{error}");
    assert_eq!(trainer.model().state(), before);
}
