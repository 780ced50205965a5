//! Pictures from files that are whole, damaged or made to do damage, and augmented batches whoever makes them.

use flate2::{Compression, write::GzEncoder};
use kniff_data::{
    Augment, Border, Brightness, CenterCrop, Clamp, ColorPca, Contrast, Cutout, DataError, Dataset, GaussianNoise,
    HorizontalFlip, Hue, ImageDataset, ImageFolder, Loader, PadCrop, PerChannel, Picture, RandomAffine, RandomCrop,
    RandomErasing, ResizedCrop, Rotation, Saturation, VerticalFlip, Zoom, cifar10, cifar100,
};
use kniff_tensor::parallel::with_threads;
use kniff_tensor::{Indices, Rng, Tensor};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("kniff-images-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn picture(height: usize, width: usize, seed: usize) -> Picture {
    Picture::new((0..3 * height * width).map(|i| ((i * 31 + seed * 77) % 256) as u8).collect(), [3, height, width])
        .unwrap()
}

fn everything() -> Augment {
    let pca = ColorPca::new([0.2, 0.1, 0.05], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
    let affine = RandomAffine::new().rotation(9.0).unwrap().translation(0.1).unwrap().scale(0.8, 1.2).unwrap();
    Augment::new()
        .then(PadCrop::new(3).unwrap().border(Border::Reflect))
        .then(HorizontalFlip::new(0.5).unwrap())
        .then(VerticalFlip::new(0.5).unwrap())
        .then(RandomCrop::new(20, 22))
        .then(Rotation::new(10.0).unwrap())
        .then(affine.shear(4.0).unwrap())
        .then(Zoom::new(0.8, 1.3).unwrap())
        .then(ResizedCrop::new(18, 17).unwrap())
        .then(Brightness::new(0.2).unwrap())
        .then(Contrast::new(0.2).unwrap())
        .then(Saturation::new(0.2).unwrap())
        .then(Hue::new(20.0).unwrap())
        .then(pca)
        .then(Clamp::new(0.0, 1.0).unwrap())
        .then(GaussianNoise::new(0.01).unwrap())
        .then(CenterCrop::new(16, 16))
        .then(PerChannel::new(vec![0.5; 3], vec![0.25; 3]).unwrap())
        .then(Cutout::new(4).unwrap())
        .then(RandomErasing::new(0.5).unwrap())
}

fn images(n: usize) -> ImageDataset {
    let pixels = (0..n * 3 * 24 * 24).map(|i| (i * 7919 % 256) as u8).collect();
    ImageDataset::new(pixels, [3, 24, 24], Indices::from_vec((0..n).collect())).unwrap()
}

#[test]
fn the_draws_depend_on_seed_epoch_and_place_only() {
    let epoch = |seed, batch, workers, threads, number| {
        let make = move || {
            let loader: Loader<_> = Loader::new(images(50)).batch_size(batch).shuffle(&Rng::new(seed));
            let loader = loader.prefetch(workers, 4).augment_images(everything());
            assert_eq!(loader.input_shape(), [3, 16, 16]);
            let batches = loader.epoch(number).map(|batch| batch.unwrap());
            batches.flat_map(|batch| batch.inputs.to_vec()).map(f32::to_bits).collect::<Vec<u32>>()
        };
        with_threads(threads, make)
    };
    let first = epoch(1, 50, 0, 1, 0);
    assert!(first.iter().all(|&x| f32::from_bits(x).is_finite()));
    assert_eq!(epoch(1, 7, 0, 1, 0), first, "another batch size");
    assert_eq!(epoch(1, 16, 3, 2, 0), first, "threads and prefetching");
    assert_eq!(epoch(1, 50, 0, 4, 0), first, "more threads");
    assert_ne!(epoch(1, 50, 0, 1, 1), first, "another epoch");
    assert_ne!(epoch(2, 50, 0, 1, 0), first, "another seed");
}

#[test]
fn a_step_more_changes_nothing_in_the_others() {
    let images: Tensor = Tensor::randn([20, 1, 6, 6], &mut Rng::new(0));
    let crop = || RandomCrop::new(4, 4);
    let alone = Augment::new().then(crop()).apply(&images, &Rng::new(3)).unwrap();
    let more = Augment::new().then(HorizontalFlip::new(0.0).unwrap()).then(crop()).then(Brightness::new(0.0).unwrap());
    assert_eq!(more.apply(&images, &Rng::new(3)).unwrap(), alone);
    // The same step twice draws twice.
    let twice = Augment::<f32>::new().then(GaussianNoise::new(1.0).unwrap()).then(GaussianNoise::new(1.0).unwrap());
    let zeros: Tensor = Tensor::zeros([1, 1, 100, 100]);
    let sum = twice.apply(&zeros, &Rng::new(0)).unwrap().to_vec();
    let variance = sum.iter().map(|x| x * x).sum::<f32>() / 1e4;
    assert!((variance - 2.0).abs() < 5.0 * 2.0 * (2.0_f32 / 1e4).sqrt(), "{variance}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let nan = f64::NAN;
    assert!(HorizontalFlip::new(nan).is_err() && HorizontalFlip::new(1.5).is_err() && VerticalFlip::new(-0.1).is_err());
    assert!(Brightness::new(nan).is_err() && Contrast::new(-1.0).is_err() && Saturation::new(f64::INFINITY).is_err());
    assert!(Hue::new(nan).is_err() && Rotation::new(nan).is_err() && GaussianNoise::new(-0.1).is_err());
    assert!(Zoom::new(0.0, 1.0).is_err() && Zoom::new(2.0, 1.0).is_err() && Zoom::new(1.0, nan).is_err());
    assert!(Clamp::new(1.0, 0.0).is_err() && Cutout::new(0).is_err() && RandomErasing::new(2.0).is_err());
    assert!(RandomAffine::new().shear(90.0).is_err() && RandomAffine::new().translation(1.1).is_err());
    assert!(PadCrop::new(usize::MAX).is_err());
    let small: Tensor = Tensor::ones([2, 1, 4, 4]);
    let refused = |augment: Augment, words: &str| {
        let said = augment.apply(&small, &Rng::new(0)).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    };
    refused(Augment::new().then(RandomCrop::new(5, 2)), "random crop: expected 1 to 4 rows");
    refused(Augment::new().then(RandomCrop::new(0, 2)), "random crop");
    refused(Augment::new().then(CenterCrop::new(2, 9)), "center crop");
    refused(Augment::new().then(PadCrop::new(4).unwrap().border(Border::Reflect)), "less than 4");
    refused(Augment::new().then(Saturation::new(0.1).unwrap()), "[n, 3, height, width]");
    refused(Augment::new().then(PerChannel::new(vec![0.0; 2], vec![1.0; 2]).unwrap()), "channel normalizer");
    let flat: Tensor = Tensor::ones([2, 16]);
    assert!(matches!(Augment::new().apply(&flat, &Rng::new(0)), Err(DataError::Shape { .. })));
    assert!(Augment::<f32>::new().apply_bytes(&[0; 5], [1, 1, 2, 2], &Rng::new(0), 0).is_err());
    // In a loader it is the first batch's error.
    let loader: Loader<_> = Loader::new(images(3)).augment_images(Augment::new().then(RandomCrop::new(25, 25)));
    assert!(loader.epoch(0).next().unwrap().is_err());
}

#[test]
fn a_folder_of_pictures_is_read_in_order() {
    let root = folder("order");
    for (class, names) in [("dog", ["b.png", "a.PNG"]), ("cat", ["2.png", "1.png"])] {
        fs::create_dir(root.join(class)).unwrap();
        for (i, name) in names.iter().enumerate() {
            picture(4, 5, i + class.len() * usize::from(class == "dog"))
                .write_png(root.join(class).join(name))
                .unwrap();
        }
        fs::write(root.join(class).join("notes.txt"), "left alone").unwrap();
        fs::write(root.join(class).join(".hidden.png"), "left alone").unwrap();
    }
    fs::write(root.join("README"), "left alone").unwrap();
    let data = ImageFolder::new().read(&root).unwrap();
    assert_eq!((data.classes(), data.shape()), (&["cat".to_string(), "dog".to_string()][..], [3, 4, 5]));
    assert_eq!(data.targets().as_slice(), [0, 0, 1, 1]);
    // Within a class by name: cat/1.png was the second written, dog/a.PNG too.
    let expected = [picture(4, 5, 1), picture(4, 5, 0), picture(4, 5, 4), picture(4, 5, 3)];
    for (i, expected) in expected.iter().enumerate() {
        assert_eq!(&data.pixels()[i * 60..(i + 1) * 60], expected.pixels(), "{i}");
    }
    let small = ImageFolder::new().resize(2, 2).grey(true).read(&root).unwrap();
    assert_eq!((small.shape(), Dataset::<f32>::len(&small)), ([1, 2, 2], 4));
    let said = ImageFolder::new().limit(100).read(&root).unwrap_err().to_string();
    assert!(said.contains("at most 100 bytes") && said.contains("240 bytes"), "{said}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn what_is_wrong_with_a_folder_is_named() {
    let root = folder("wrong");
    let said = || ImageFolder::new().read(&root).unwrap_err().to_string();
    assert!(said().contains("no folder in it"));
    fs::create_dir(root.join("a")).unwrap();
    assert!(said().contains("at least one picture"));
    picture(4, 4, 0).write_png(root.join("a").join("1.png")).unwrap();
    picture(4, 5, 0).write_png(root.join("a").join("2.png")).unwrap();
    picture(5, 5, 0).write_png(root.join("a").join("3.png")).unwrap();
    assert!(said().contains("2.png: expected shape [3, 4, 4]"), "{}", said());
    fs::write(root.join("a").join("2.png"), "no picture").unwrap();
    assert!(said().contains("2.png: expected a whole PNG, JPEG or BMP picture"), "{}", said());
    assert!(matches!(ImageFolder::new().read(root.join("none")), Err(DataError::Io { .. })));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn damaged_pictures_are_errors_and_no_panic() {
    let png = picture(16, 16, 0).to_png().unwrap();
    for end in 0..png.len() {
        // Cut off behind the last pixel, a picture may still be whole.
        let cut = Picture::parse("cut", &png[..end]);
        assert!(cut.is_err() || end + 16 > png.len(), "{end} of {}", png.len());
    }
    let mut rng = Rng::new(1);
    for _ in 0..300 {
        let mut bytes = png.clone();
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(bytes.len());
            bytes[at] = rng.below(256) as u8;
        }
        let _ = Picture::parse("changed", &bytes);
    }
    // A head that promises 2^31 x 2^31 pixels.
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    assert!(Picture::parse("huge", &huge).is_err());
    // A bitmap with the same claim and no pixels.
    let mut bmp = b"BM".to_vec();
    bmp.extend([0; 8]);
    bmp.extend(54_u32.to_le_bytes());
    bmp.extend(40_u32.to_le_bytes());
    bmp.extend(100_000_u32.to_le_bytes());
    bmp.extend(100_000_u32.to_le_bytes());
    bmp.extend([1, 0, 24, 0]);
    bmp.extend([0; 24]);
    assert!(Picture::parse("bitmap", &bmp).is_err());
    assert!(Picture::parse("jpeg", &[0xff, 0xd8, 0xff, 0xe0, 0, 16]).is_err());
    assert!(Picture::parse("empty", &[]).is_err());
}

#[test]
fn a_jpeg_that_was_cut_short_is_refused_and_bytes_after_the_end_are_not() {
    for (file, name) in [("colour.jpg", "coded in one scan"), ("grey_progressive.jpg", "in several")] {
        let whole = fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile/seeds").join(file));
        let whole = whole.unwrap();
        let picture = Picture::parse(file, &whole).unwrap();
        assert_eq!(Picture::parse(file, &[&whole[..], b"\xff\xd8 more, \0\0"].concat()).unwrap(), picture, "{name}");
        for length in 0..whole.len() {
            let error = Picture::parse(file, &whole[..length]).unwrap_err().to_string();
            let cut = error.contains("without its end marker, mostly because it was cut short");
            assert!(cut || length < 4, "{name}, {length} bytes: {error}");
        }
    }
}

#[test]
fn cifar_files_are_read_and_damage_is_named() {
    let root = folder("cifar");
    let record = |labels: &[u8], byte: u8| [labels.to_vec(), vec![byte; 3072]].concat();
    for i in 1..=5_u8 {
        fs::write(root.join(format!("data_batch_{i}.bin")), [record(&[i], i), record(&[0], 9)].concat()).unwrap();
    }
    fs::write(root.join("test_batch.bin"), record(&[9], 200)).unwrap();
    let data = cifar10(&root).unwrap();
    assert_eq!(data.train.targets().as_slice(), [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
    assert_eq!((data.test.targets().as_slice(), data.test.pixels()[0]), (&[9][..], 200));
    fs::write(root.join("batches.meta.txt"), "cat\ndog\n\n").unwrap();
    assert!(cifar10(&root).unwrap_err().to_string().contains("10 names, one a line, found 2 names"));
    fs::remove_file(root.join("batches.meta.txt")).unwrap();
    fs::write(root.join("data_batch_3.bin"), &record(&[1], 1)[..3000]).unwrap();
    assert!(cifar10(&root).unwrap_err().to_string().contains("data_batch_3.bin: expected one or more records of 3073"));
    fs::write(root.join("data_batch_3.bin"), record(&[10], 1)).unwrap();
    assert!(cifar10(&root).unwrap_err().to_string().contains("label 10 in record 0"));
    // What the first record tells is told, however the packed file goes on.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&[record(&[10], 1), vec![0; 1 << 20]].concat()).unwrap();
    let packed = gzip.finish().unwrap();
    fs::write(root.join("data_batch_3.bin"), &packed[..packed.len() - 8]).unwrap();
    assert!(cifar10(&root).unwrap_err().to_string().contains("label 10 in record 0"));
    fs::write(root.join("train.bin"), record(&[19, 99], 3)).unwrap();
    fs::write(root.join("test.bin"), record(&[0, 7], 4)).unwrap();
    assert_eq!(cifar100(&root).unwrap().train.targets().as_slice(), [99]);
    assert!(matches!(cifar100(root.join("none")), Err(DataError::Io { .. })));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_large_picture_waits_and_the_first_fault_is_told_all_the_same() {
    let place = folder("large");
    fs::create_dir_all(place.join("a")).unwrap();
    // Above 2^24 pixels.
    let large = Picture::new(vec![200; 3 * 4097 * 4097], [3, 4097, 4097]).unwrap();
    large.write_png(place.join("a/1.png")).unwrap();
    picture(12, 12, 1).write_png(place.join("a/2.png")).unwrap();
    let read = || ImageFolder::new().resize(4, 4).read(&place);
    let data = read().unwrap();
    assert_eq!((data.shape(), &data.pixels()[..48]), ([3, 4, 4], &[200; 48][..]));
    // The third file is decoded before the first, and is not the first whose fault is told.
    fs::write(place.join("a/3.png"), b"no picture").unwrap();
    assert!(read().unwrap_err().to_string().contains("3.png"));
    let png = fs::read(place.join("a/1.png")).unwrap();
    fs::write(place.join("a/1.png"), &png[..png.len() / 2]).unwrap();
    assert!(read().unwrap_err().to_string().contains("1.png"));
    fs::remove_dir_all(place).unwrap();
}
