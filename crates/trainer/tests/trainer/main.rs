//! What a training does, from outside: fit, stop, fail, repeat.

mod callbacks;
mod closing;
mod contract;
mod curvature;
mod files;
mod fitting;
mod means;
mod networks;
mod rates;
mod refusals;
mod repeatability;
mod statistics;
