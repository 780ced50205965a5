//! Workloads that are measured, by criterion and side by side with other systems.
#![forbid(unsafe_code)]

pub mod measure;
pub mod networks;
pub mod workloads;
