//! `cargo xtask new`: the one new file of an op, a layer, a rule, ..., and its lines in the folder's `mod.rs`.

mod declare;

use crate::process::{self, Cargo};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::Path;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct New {
    /// What it is
    #[arg(value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
    kind: String,
    /// Its name in snake_case, as the file is to be called
    name: String,
}

impl New {
    /// Writes the file and declares it; the exit code is 2 if that is refused, and then nothing was written.
    pub(crate) fn run(&self) -> ExitCode {
        match self.create(&process::root()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(refusal) => {
                println!("{refusal}");
                ExitCode::from(2)
            }
        }
    }

    fn create(&self, root: &Path) -> Result<(), String> {
        let kind = KINDS.iter().find(|kind| kind.name == self.kind).ok_or_else(|| "no such kind".to_string())?;
        let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
        let plan = plan(kind, &self.name, read)?;
        for (path, text) in [&plan.file, &plan.declarations].into_iter().chain(&plan.exports) {
            std::fs::write(root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        println!("created {}", plan.file.0);
        println!("declared in {}", plan.declarations.0);
        if let Some((path, _)) = &plan.exports {
            println!("exported from {path}");
        }
        for line in plan.by_hand {
            println!("left to you, because it names several at once: {}:{line}", plan.declarations.0);
        }
        // Names were put where they belong, not where the formatter wants them.
        match Cargo::new(["fmt", "--all"]).succeeds() {
            true => Ok(()),
            false => Err("the files are written, but `cargo fmt --all` failed: see above".to_string()),
        }
    }
}

/// A kind of thing that lives one to a file.
struct Kind {
    name: &'static str,
    folder: &'static str,
    template: &'static str,
}

const KINDS: &[Kind] = &[
    Kind { name: "op", folder: "crates/autograd/src/ops", template: include_str!("new/templates/op.txt") },
    Kind { name: "layer", folder: "crates/nn/src/layers", template: include_str!("new/templates/layer.txt") },
    Kind { name: "loss", folder: "crates/nn/src/losses", template: include_str!("new/templates/loss.txt") },
    Kind { name: "rule", folder: "crates/optim/src/rules", template: include_str!("new/templates/rule.txt") },
    Kind {
        name: "schedule",
        folder: "crates/optim/src/schedules",
        template: include_str!("new/templates/schedule.txt"),
    },
    Kind { name: "init", folder: "crates/init/src/initializers", template: include_str!("new/templates/init.txt") },
    Kind { name: "metric", folder: "crates/trainer/src/metrics", template: include_str!("new/templates/metric.txt") },
    Kind {
        name: "callback",
        folder: "crates/trainer/src/callbacks",
        template: include_str!("new/templates/callback.txt"),
    },
    Kind {
        name: "augmentation",
        folder: "crates/data/src/augmentations",
        template: include_str!("new/templates/augmentation.txt"),
    },
    Kind { name: "sampler", folder: "crates/data/src/samplers", template: include_str!("new/templates/sampler.txt") },
    Kind {
        name: "normalizer",
        folder: "crates/data/src/normalizers",
        template: include_str!("new/templates/normalizer.txt"),
    },
];

/// What is to be written: paths and texts.
#[derive(Debug)]
struct Plan {
    file: (String, String),
    declarations: (String, String),
    /// The crate's root, where it exports the folder's inhabitants by name.
    exports: Option<(String, String)>,
    /// Lines of the old `mod.rs` that name several inhabitants at once.
    by_hand: Vec<usize>,
}

/// What a new inhabitant takes, or why it is refused; `read` gives the text of the file at a path.
fn plan(kind: &Kind, name: &str, read: impl Fn(&str) -> Option<String>) -> Result<Plan, String> {
    let Kind { name: what, folder, template } = kind;
    if !is_snake_case(name) {
        return Err(format!(
            "`{name}` is not snake_case: small letters, digits and single underscores, a letter first"
        ));
    }
    let (file, list) = (format!("{folder}/{name}.rs"), format!("{folder}/mod.rs"));
    let Some(text) = read(&list) else {
        return Err(format!("there is no {list} yet: the first {what} and its contract are written by hand"));
    };
    if read(&file).is_some() {
        return Err(format!("{file} exists: choose another name, or edit it"));
    }
    // An operation is reached as a method: it has no type to export.
    let exported = (*what != "op").then(|| camel_case(name));
    let declared = declare::declare(&text, name, exported.as_deref());
    let exports = folder.rsplit_once('/').zip(exported).and_then(|((source, plural), camel)| {
        let root = format!("{source}/lib.rs");
        let text = declare::export(&read(&root)?, plural, &camel)?;
        Some((root, text))
    });
    Ok(Plan {
        file: (file, render(template, name)),
        declarations: (list, declared.text),
        exports,
        by_hand: declared.by_hand,
    })
}

fn is_snake_case(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    letters && first && !name.ends_with('_') && !name.contains("__") && !KEYWORDS.contains(&name)
}

/// Words that cannot name a module, `mod` itself because its file is the folder's list.
const KEYWORDS: &[&str] = &[
    "as", "async", "await", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern",
    "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "unsafe", "use", "where",
    "while", "yield", "false", "abstract", "become", "override", "priv", "typeof", "unsized", "virtual",
];

fn camel_case(name: &str) -> String {
    name.split('_').map(capitalised).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn render(template: &str, name: &str) -> String {
    let words = name.replace('_', " ");
    template
        .replace("{{snake}}", name)
        .replace("{{Camel}}", &camel_case(name))
        .replace("{{Words}}", &capitalised(&words))
        .replace("{{words}}", &words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;
    use crate::tree::Tree;

    fn layer() -> &'static Kind {
        KINDS.iter().find(|kind| kind.name == "layer").unwrap()
    }

    fn folder_with(inhabitants: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |path| inhabitants.iter().find(|(known, _)| *known == path).map(|(_, text)| text.to_string())
    }

    #[test]
    fn a_new_file_is_planned_with_its_declaration() {
        let list = [("crates/nn/src/layers/mod.rs", "//! Layers.\n\nmod dropout;\n\npub use dropout::Dropout;\n")];
        let plan = plan(layer(), "layer_norm", folder_with(&list)).unwrap();
        assert_eq!(plan.file.0, "crates/nn/src/layers/layer_norm.rs");
        assert!(plan.file.1.contains("pub struct LayerNorm"), "{}", plan.file.1);
        assert!(plan.declarations.1.contains("mod layer_norm;\n"), "{}", plan.declarations.1);
    }

    #[test]
    fn the_crate_exports_it_where_it_exports_its_neighbours() {
        let list = "//! Rules.\n\nmod sgd;\n\npub use sgd::Sgd;\n";
        let root = "//! Optim.\nmod rules;\npub use rules::{\n    Sgd,\n};\n";
        let files = [("crates/optim/src/rules/mod.rs", list), ("crates/optim/src/lib.rs", root)];
        let rule = KINDS.iter().find(|kind| kind.name == "rule").unwrap();
        let (path, text) = plan(rule, "lamb", folder_with(&files)).unwrap().exports.unwrap();
        assert_eq!(path, "crates/optim/src/lib.rs");
        assert!(text.contains("pub use rules::{Lamb, \n    Sgd,\n};"), "{text}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let list = [("crates/nn/src/layers/mod.rs", "//! Layers.\n"), ("crates/nn/src/layers/linear.rs", "")];
        let refuse = |name: &str| plan(layer(), name, folder_with(&list)).unwrap_err();
        assert!(refuse("linear").contains("exists"));
        for name in ["LayerNorm", "layer-norm", "2d", "_a", "a_", "a__b", "", "mod", "type"] {
            assert!(refuse(name).contains("snake_case"), "{name}");
        }
        assert!(plan(layer(), "linear", |_| None).unwrap_err().contains("no crates/nn/src/layers/mod.rs yet"));
    }

    #[test]
    fn the_templates_leave_no_placeholder_and_keep_the_rules_of_the_house() {
        for kind in KINDS {
            let text = render(kind.template, "some_thing");
            assert!(!text.contains("{{") && !text.contains("}}"), "{}: {text}", kind.name);
            assert!(text.contains("SomeThing") || text.contains("some_thing"), "{}", kind.name);
            assert!(text.contains("#[cfg(test)]"), "{}: a new file comes with tests", kind.name);
            let list = format!("{}/mod.rs", kind.folder);
            let (crate_folder, plural) = kind.folder.rsplit_once('/').unwrap();
            let library = format!("#![forbid(unsafe_code)]\nmod {plural};\n");
            let tree = Tree::of([
                (format!("{crate_folder}/lib.rs"), format!("//! A.\n{library}")),
                (list, "//! B.\nmod some_thing;\n".to_string()),
                (format!("{}/some_thing.rs", kind.folder), text),
            ]);
            let lines: Vec<String> = rules::findings(&tree).iter().map(ToString::to_string).collect();
            assert!(lines.is_empty(), "{lines:?}");
        }
    }

    #[test]
    fn names_are_written_in_three_ways() {
        let text = render("{{snake}} {{Camel}} {{words}} {{Words}}", "leaky_relu2");
        assert_eq!(text, "leaky_relu2 LeakyRelu2 leaky relu2 Leaky relu2");
    }
}
