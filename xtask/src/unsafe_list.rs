//! `cargo xtask unsafe`: every piece of unsafe code, with the reason why it is sound.

use crate::process;
use crate::rules::{self, Piece};
use crate::tree::Tree;
use clap::Args;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Unsafe {}

impl Unsafe {
    /// Prints the pieces by file and line; the exit code is 1 if one has no reason.
    pub(crate) fn run(&self) -> ExitCode {
        let tree = match Tree::read(&process::root()) {
            Ok(tree) => tree,
            Err(error) => {
                println!("cannot read the workspace: {error}");
                return ExitCode::FAILURE;
            }
        };
        let pieces = rules::unsafe_pieces(&tree);
        let mut bare = 0;
        for Piece { path, line, code, reason } in &pieces {
            println!("{path}:{line}: {code}");
            match reason {
                Some(reason) => println!("    {reason}"),
                None => {
                    bare += 1;
                    println!("    NO REASON");
                }
            }
        }
        println!("{} pieces of unsafe code, {bare} without a reason", pieces.len());
        if bare == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
