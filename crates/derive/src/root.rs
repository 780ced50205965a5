//! Finds the crate that holds `Module` by reading the manifest of the crate that is being compiled.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// The path to the module traits: through `kniff-nn` where the manifest names it, else through the facade `kniff`.
///
/// A crate that finds itself is addressed by its own name, because its tests and examples see it from outside;
/// inside kniff-nn, `extern crate self as kniff_nn;` makes that name true.
pub(crate) fn from_manifest() -> TokenStream {
    if let Ok(found) = crate_name("kniff-nn") {
        let name = local_name(&found, "kniff_nn");
        return quote!(::#name);
    }
    if let Ok(found) = crate_name("kniff") {
        let name = local_name(&found, "kniff");
        return quote!(::#name::nn);
    }
    // The error that follows names the crate that is missing, which is the best that can be said.
    quote!(::kniff_nn)
}

/// What the manifest calls the crate, which a dependency's `package` key may have changed.
fn local_name(found: &FoundCrate, own: &str) -> Ident {
    let name = match found {
        FoundCrate::Itself => own,
        FoundCrate::Name(name) => name,
    };
    Ident::new(name, Span::call_site())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_dependency_keeps_its_local_name() {
        assert_eq!(local_name(&FoundCrate::Name("tricks".into()), "kniff").to_string(), "tricks");
        assert_eq!(local_name(&FoundCrate::Itself, "kniff_nn").to_string(), "kniff_nn");
    }
}
