//! What a training does, from outside: fit, stop, fail, repeat.

mod callbacks;
mod files;
mod fitting;
mod networks;
mod refusals;
mod repeatability;
mod statistics;
