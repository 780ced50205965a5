//! Files that PyTorch and NumPy wrote, and files for them; made by `tests/fixtures/make.py`.

mod files;
mod pytorch;
