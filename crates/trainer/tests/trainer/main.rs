//! What a training does, from outside: fit, stop, fail, repeat.

mod callbacks;
mod checkpoints;
mod closing;
mod contract;
mod curvature;
mod files;
mod fitting;
mod folder;
mod means;
mod memory;
mod mishaps;
mod networks;
mod rates;
mod refusals;
mod repeatability;
mod replaying;
mod resuming;
mod statistics;
