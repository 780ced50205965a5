//! Reads `#[module(...)]` on the struct and on its fields.

use syn::{Attribute, DeriveInput, Error, Field, LitStr, Path, Result, Type};

/// What `#[module(...)]` says on the struct.
#[derive(Default)]
pub(crate) struct StructAttributes {
    /// Where the module traits are found.
    pub(crate) root: Option<Path>,
    /// The element type.
    pub(crate) element: Option<Type>,
}

impl StructAttributes {
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        let mut read = Self::default();
        for attribute in ours(&input.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("crate") {
                    let path = meta.value()?.parse::<LitStr>()?.parse()?;
                    set_once(&mut read.root, path, &meta)
                } else if meta.path.is_ident("element") {
                    let element = meta.value()?.parse::<LitStr>()?.parse()?;
                    set_once(&mut read.element, element, &meta)
                } else {
                    Err(meta.error("a struct knows `element = \"f64\"` and `crate = \"kniff::nn\"` here"))
                }
            })?;
        }
        Ok(read)
    }
}

/// What `#[module(...)]` says on a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// The field holds nothing to visit.
    pub(crate) skip: bool,
    /// The field's name in the path.
    pub(crate) rename: Option<LitStr>,
}

impl FieldAttributes {
    pub(crate) fn of(field: &Field) -> Result<Self> {
        let mut read = Self::default();
        for attribute in ours(&field.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    read.skip = true;
                    Ok(())
                } else if meta.path.is_ident("rename") {
                    let name: LitStr = meta.value()?.parse()?;
                    if name.value().is_empty() || name.value().contains('.') {
                        let message = "a name in a path is not empty and has no dot: the dot joins the names";
                        return Err(Error::new(name.span(), message));
                    }
                    set_once(&mut read.rename, name, &meta)
                } else {
                    Err(meta.error("a field knows `skip` and `rename = \"x\"` here"))
                }
            })?;
        }
        if read.skip
            && let Some(name) = &read.rename
        {
            return Err(Error::new(name.span(), "a skipped field is in no path: drop `skip` or `rename`"));
        }
        Ok(read)
    }
}

fn ours(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("module"))
}

fn set_once<T>(place: &mut Option<T>, value: T, meta: &syn::meta::ParseNestedMeta<'_>) -> Result<()> {
    if place.replace(value).is_some() {
        return Err(meta.error("this is given twice"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    fn field_error(field: &Field) -> String {
        FieldAttributes::of(field).err().expect("an error").to_string()
    }

    #[test]
    fn struct_attributes_are_read_from_one_list_or_many() {
        let input: DeriveInput = parse_quote! {
            #[module(element = "f64")]
            #[module(crate = "kniff::nn")]
            struct Net;
        };
        let read = StructAttributes::of(&input).unwrap();
        assert_eq!(read.element.to_token_stream().to_string(), "f64");
        assert_eq!(read.root.to_token_stream().to_string(), "kniff :: nn");
    }

    #[test]
    fn a_word_that_is_not_known_is_refused_with_those_that_are() {
        let input: DeriveInput = parse_quote! { #[module(elment = "f64")] struct Net; };
        let error = StructAttributes::of(&input).err().unwrap().to_string();
        assert!(error.contains("element"), "{error}");
        assert!(field_error(&parse_quote!(#[module(skipped)] a: u8)).contains("skip"));
    }

    #[test]
    fn a_name_that_would_break_the_path_is_refused() {
        assert!(field_error(&parse_quote!(#[module(rename = "a.b")] a: u8)).contains("dot"));
        assert!(field_error(&parse_quote!(#[module(rename = "")] a: u8)).contains("empty"));
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(field_error(&parse_quote!(#[module(skip, rename = "b")] a: u8)).contains("skipped"));
        assert!(field_error(&parse_quote!(#[module(rename = "b", rename = "c")] a: u8)).contains("twice"));
    }

    #[test]
    fn attributes_of_others_are_left_alone() {
        let read = FieldAttributes::of(&parse_quote!(#[serde(skip)] a: u8)).unwrap();
        assert!(!read.skip);
    }
}
