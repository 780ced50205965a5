//! The rules by which reference values are read, run and compared: what is wrong must not pass.

use kniff_golden::compare::compare;
use kniff_golden::run::{run, run_case};
use kniff_golden::{Data, Entry, GoldenCase, GoldenError, Level, Outcome, Role, Set, Tolerance};
use serde_json::json;
use std::path::Path;

fn one(a: f64, e: f64, rule: Tolerance) -> bool {
    compare("x", (&[], &[a]), (&[], &[e]), rule).fault.is_none()
}

#[test]
fn special_numbers_match_themselves_alone() {
    let wide = Tolerance { rtol: 1.0, atol: 1e300, mtol: 1.0 };
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    assert!(one(nan, nan, wide) && one(inf, inf, wide) && one(-0.0, 0.0, Tolerance::default()));
    for (a, e) in [(nan, 0.0), (0.0, nan), (inf, -inf), (inf, f64::MAX), (f64::MAX, inf), (nan, inf)] {
        assert!(!one(a, e, wide), "{a} is not {e}");
    }
}

#[test]
fn the_largest_magnitude_leaves_infinities_out_and_shapes_must_agree() {
    let rule = Tolerance { rtol: 0.0, atol: 0.0, mtol: 0.1 };
    let e = [f64::INFINITY, -10.0, 0.0];
    assert!(compare("x", (&[3], &[f64::INFINITY, -10.0, 0.9]), (&[3], &e), rule).fault.is_none());
    let off = compare("x", (&[3], &[f64::INFINITY, -10.0, 1.5]), (&[3], &e), rule);
    assert_eq!(off.worst, 1.5);
    assert!(off.fault.unwrap().starts_with("at [2] is 1.5e0, expected 0e0"));
    assert!(compare("x", (&[3, 1], &e), (&[3], &e), rule).fault.unwrap().contains("shape [3, 1], expected [3]"));
    assert!(compare("x", (&[0], &[]), (&[0], &[]), rule).fault.is_none());
}

fn entry(role: Role, shape: &[usize], data: &[f64]) -> Entry {
    Entry { role, shape: shape.to_vec(), data: Data::F64(data.to_vec()), tolerance: None }
}

/// ReLU of -1 and 2, with what is expected of it.
fn relu(op: &str, output: &[f64]) -> GoldenCase {
    let tensors = [
        ("input", entry(Role::Given, &[2], &[-1.0, 2.0])),
        ("grad_out", entry(Role::Given, &[2], &[3.0, 5.0])),
        ("output", entry(Role::Expected, &[2], output)),
        ("grad_input", entry(Role::Expected, &[2], &[0.0, 5.0])),
    ];
    GoldenCase {
        family: "activations".into(),
        name: "one".into(),
        op: op.into(),
        attrs: serde_json::Map::new(),
        level: Level::Required,
        tolerance: Tolerance::default(),
        differentiated: vec!["input".into()],
        tensors: tensors.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect(),
    }
}

#[test]
fn values_and_gradients_are_compared() {
    assert!(run_case(&relu("relu", &[0.0, 2.0])).faults().is_empty());
    let wrong = run_case(&relu("relu", &[0.0, 2.5])).faults();
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].starts_with("output at [1] is 2e0, expected 2.5e0"), "{wrong:?}");
    let mut steep = relu("relu", &[0.0, 2.0]);
    steep.tensors.get_mut("grad_input").unwrap().data = Data::F64(vec![3.0, 5.0]);
    assert!(run_case(&steep).faults()[0].starts_with("grad_input at [0]"));
}

#[test]
fn what_is_unknown_or_left_uncompared_does_not_pass() {
    assert_eq!(run_case(&relu("crelu", &[])), Outcome::Unknown);
    let mut more = relu("relu", &[0.0, 2.0]);
    more.tensors.insert("second_output".into(), entry(Role::Expected, &[1], &[1.0]));
    assert_eq!(run_case(&more).faults(), ["the runner never compared second_output"]);
}

#[test]
fn a_panic_is_a_failure_of_its_case_alone() {
    // There is no slope in the attributes.
    let set = Set {
        folder: "nowhere".into(),
        cases: vec![relu("leaky_relu", &[0.0, 2.0]), relu("relu", &[0.0, 2.0]), relu("crelu", &[])],
    };
    let report = run(&set, |_| true);
    let counts = report.required();
    assert_eq!((counts.passed, counts.failed, counts.skipped), (1, 1, 1));
    assert!(report.failures()[0].ends_with("panicked: the case has no attribute `slope`"), "{report}");
    let text = report.to_string();
    assert!(text.contains("unknown operation: activations crelu (1 cases)"), "{text}");
    assert!(text.ends_with("1 passed, 1 failed, 1 skipped"), "{text}");
    assert!(!report.is_good());
}

#[test]
fn a_view_that_shows_something_else_fails() {
    let mut case = relu("relu", &[0.0, 2.0]);
    case.attrs.insert("views".into(), json!({"input": {"base": "base", "slice": [[0, 4, 2]]}}));
    case.tensors.insert("base".into(), entry(Role::Extra, &[4], &[-1.0, 9.0, 2.0, 9.0]));
    assert!(run_case(&case).faults().is_empty());
    case.tensors.insert("base".into(), entry(Role::Extra, &[4], &[-1.0, 9.0, 4.0, 9.0]));
    assert!(run_case(&case).faults()[0].starts_with("output at [1] is 4e0"));
}

/// A folder with one case of one tensor, and what `change` makes of the manifest.
fn read_changed(name: &str, change: impl Fn(&str) -> String) -> Result<Set, GoldenError> {
    let folder = std::env::temp_dir().join(format!("kniff-golden-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let header = br#"{"one/x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend([1.5_f64, f64::INFINITY].iter().flat_map(|x| x.to_le_bytes()));
    std::fs::write(folder.join("toys.safetensors"), file).unwrap();
    let manifest = r#"{"format":1,"cases":[{"family":"toys","case":"one","op":"copy","attrs":{},"level":"required",
        "tolerance":{"rtol":1e-9},"tensors":{"x":{"role":"given","dtype":"F64","shape":[2]}}}]}"#;
    std::fs::write(folder.join("manifest.json"), change(manifest)).unwrap();
    let set = Set::read(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    set
}

#[test]
fn a_set_is_read() {
    let set = read_changed("good", str::to_owned).unwrap();
    let case = &set.cases[0];
    assert_eq!(case.tensors["x"].data, Data::F64(vec![1.5, f64::INFINITY]));
    assert_eq!(case.tolerance, Tolerance { rtol: 1e-9, atol: 0.0, mtol: 0.0 });
    assert!(!case.is_single() && case.differentiated.is_empty());
}

#[test]
fn what_contradicts_itself_is_an_error_that_names_it() {
    for (name, from, to, message) in [
        ("version", "\"format\":1", "\"format\":2", "this reads format 1"),
        ("json", "[2]}", "[2]", "is no JSON"),
        ("shape", "\"shape\":[2]", "\"shape\":[3]", "`one/x` has shape [2], the manifest says [3]"),
        ("dtype", "\"dtype\":\"F64\"", "\"dtype\":\"F32\"", "is of type F64, the manifest says F32"),
        ("level", "required", "urgent", "case 0 (one): the level `urgent`"),
        ("tensor", "\"x\":", "\"y\":", "tensor `one/y`"),
        ("tolerance", "1e-9", "-1", "not a number of at least 0"),
        ("family", "toys\"", "../toys\"", "which is no plain name"),
        ("absent", "toys\"", "tools\"", "tools.safetensors"),
    ] {
        let error = read_changed(name, |m| m.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
    let nowhere = Set::read(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(nowhere.starts_with("cannot read /nowhere/manifest.json"), "{nowhere}");
}
