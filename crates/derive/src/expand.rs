//! Writes the impl of `Module`: one visit per field, in declaration order, under the field's name.

use crate::attributes::{FieldAttributes, StructAttributes};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Field, Fields, Generics, Index, LitStr, Member, Result, Type, TypeParamBound,
    WherePredicate, parse_quote,
};

/// The impl for one struct; `default_root` says where the traits are if the struct does not.
pub(crate) fn module(input: &DeriveInput, default_root: impl FnOnce() -> TokenStream) -> Result<TokenStream> {
    let fields = fields_of(input)?;
    let attributes = StructAttributes::of(input)?;
    let root = attributes.root.map_or_else(default_root, ToTokens::into_token_stream);
    let element = match attributes.element {
        Some(element) => element,
        None => element_of(&input.generics)?,
    };
    let fields = visited(fields)?;

    let path = Ident::new("path", Span::mixed_site());
    let visitor = Ident::new("visitor", Span::mixed_site());
    let visits = |method: &str, borrow: &TokenStream| -> TokenStream {
        fields.iter().map(|field| field.visit(&root, &element, method, borrow, &path, &visitor)).collect()
    };
    let shared = visits("visit", &quote!(&));
    let exclusive = visits("visit_mut", &quote!(&mut));

    let name = &input.ident;
    let generics = bounded(&input.generics, &fields, &element, &root);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl #parameters #root::Module<#element> for #name #arguments #conditions {
            fn visit<'kniff>(&'kniff self, #path: &mut #root::Path, #visitor: &mut dyn #root::Visitor<'kniff, #element>) {
                #shared
            }
            fn visit_mut<'kniff>(&'kniff mut self, #path: &mut #root::Path, #visitor: &mut dyn #root::VisitorMut<'kniff, #element>) {
                #exclusive
            }
        }
    })
}

/// A field that holds parameters, and its name in the path.
struct Visited<'a> {
    member: Member,
    name: LitStr,
    ty: &'a Type,
}

impl Visited<'_> {
    fn visit(
        &self,
        root: &TokenStream,
        element: &Type,
        method: &str,
        borrow: &TokenStream,
        path: &Ident,
        visitor: &Ident,
    ) -> TokenStream {
        let Self { member, name, ty } = self;
        // The field's own type stands in the call, with its place in the source: so "is not a module" points there.
        let method = Ident::new(method, Span::call_site());
        let call = quote_spanned!(ty.span()=> <#ty as #root::Module<#element>>::#method);
        quote! {
            #path.enter(#name, |#path| #call(#borrow self.#member, #path, #visitor));
        }
    }
}

fn fields_of(input: &DeriveInput) -> Result<&Fields> {
    let kind = match &input.data {
        Data::Struct(data) => return Ok(&data.fields),
        Data::Enum(data) => data.enum_token.span,
        Data::Union(data) => data.union_token.span,
    };
    let message = "`Module` can be derived for structs only: a parameter's path must not depend on a value. \
                   Implement `visit` and `visit_mut` by hand, or hold the choice in a field that does";
    Err(Error::new(kind, message))
}

fn visited(fields: &Fields) -> Result<Vec<Visited<'_>>> {
    let mut visited: Vec<Visited<'_>> = Vec::new();
    for (position, field) in fields.iter().enumerate() {
        let attributes = FieldAttributes::of(field)?;
        if attributes.skip {
            continue;
        }
        let member = member_of(field, position);
        let name = attributes.rename.unwrap_or_else(|| default_name(&member));
        if visited.iter().any(|other| other.name.value() == name.value()) {
            let message = format!("two fields are called `{}` in the path: give one another name", name.value());
            return Err(Error::new(name.span(), message));
        }
        visited.push(Visited { member, name, ty: &field.ty });
    }
    Ok(visited)
}

fn member_of(field: &Field, position: usize) -> Member {
    match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index { index: position as u32, span: field.ty.span() }),
    }
}

fn default_name(member: &Member) -> LitStr {
    match member {
        Member::Named(ident) => LitStr::new(&ident.unraw().to_string(), ident.span()),
        Member::Unnamed(index) => LitStr::new(&index.index.to_string(), index.span),
    }
}

/// The one type parameter that is bounded by `Element`, in the list or in the where clause; `f32` without one.
fn element_of(generics: &Generics) -> Result<Type> {
    let mut found: Vec<&Ident> = Vec::new();
    for parameter in generics.type_params() {
        let ident = &parameter.ident;
        let in_list = parameter.bounds.iter().any(is_element);
        let in_where = generics.where_clause.iter().flat_map(|clause| &clause.predicates).any(|predicate| {
            matches!(predicate, WherePredicate::Type(predicate)
                if is_exactly(&predicate.bounded_ty, ident) && predicate.bounds.iter().any(is_element))
        });
        if in_list || in_where {
            found.push(ident);
        }
    }
    match found[..] {
        [] => Ok(parse_quote!(f32)),
        [only] => Ok(parse_quote!(#only)),
        [_, second, ..] => {
            let message = format!(
                "more than one type parameter is an `Element`: choose with `#[module(element = \"{second}\")]`"
            );
            Err(Error::new(second.span(), message))
        }
    }
}

fn is_element(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Element"),
        _ => false,
    }
}

fn is_exactly(ty: &Type, parameter: &Ident) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(parameter))
}

/// The struct's generics, with `Module` asked of every type parameter that a visited field mentions.
fn bounded(generics: &Generics, fields: &[Visited<'_>], element: &Type, root: &TokenStream) -> Generics {
    let mut bounded = generics.clone();
    for parameter in generics.type_params() {
        let ident = &parameter.ident;
        let mentioned = fields.iter().any(|field| mentions(field.ty.to_token_stream(), ident));
        // The element type and its rivals are numbers, not modules.
        let number = is_exactly(element, ident) || parameter.bounds.iter().any(is_element);
        if mentioned && !number {
            bounded.make_where_clause().predicates.push(parse_quote!(#ident: #root::Module<#element>));
        }
    }
    bounded
}

fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(other) => other == *ident,
        TokenTree::Group(group) => mentions(group.stream(), ident),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(input: DeriveInput) -> String {
        module(&input, || quote!(::kniff_nn)).unwrap().to_string()
    }

    fn refuse(input: DeriveInput) -> String {
        module(&input, || quote!(::kniff_nn)).unwrap_err().to_string()
    }

    fn text(tokens: TokenStream) -> String {
        tokens.to_string()
    }

    #[test]
    fn fields_are_visited_in_order_under_their_names() {
        let expanded = expand(parse_quote! {
            struct Net { hidden: Linear, out: Linear }
        });
        let expected = text(quote! {
            #[automatically_derived]
            #[allow(unused_variables)]
            impl ::kniff_nn::Module<f32> for Net {
                fn visit<'kniff>(&'kniff self, path: &mut ::kniff_nn::Path, visitor: &mut dyn ::kniff_nn::Visitor<'kniff, f32>) {
                    path.enter("hidden", |path| <Linear as ::kniff_nn::Module<f32>>::visit(&self.hidden, path, visitor));
                    path.enter("out", |path| <Linear as ::kniff_nn::Module<f32>>::visit(&self.out, path, visitor));
                }
                fn visit_mut<'kniff>(&'kniff mut self, path: &mut ::kniff_nn::Path, visitor: &mut dyn ::kniff_nn::VisitorMut<'kniff, f32>) {
                    path.enter("hidden", |path| <Linear as ::kniff_nn::Module<f32>>::visit_mut(&mut self.hidden, path, visitor));
                    path.enter("out", |path| <Linear as ::kniff_nn::Module<f32>>::visit_mut(&mut self.out, path, visitor));
                }
            }
        });
        assert_eq!(expanded, expected);
    }

    #[test]
    fn the_parameter_bounded_by_element_is_the_element_type() {
        let listed = expand(parse_quote! { struct Net<T: Element = f32> { out: Linear<T> } });
        assert!(listed.contains(&text(quote!(impl<T: Element> ::kniff_nn::Module<T> for Net<T>))), "{listed}");

        let by_path = expand(parse_quote! { struct Net<T: kniff::tensor::Element> { out: Linear<T> } });
        assert!(by_path.contains(&text(quote!(::kniff_nn::Module<T> for Net<T>))), "{by_path}");

        let in_where = expand(parse_quote! { struct Net<T> where T: Element { out: Linear<T> } });
        assert!(in_where.contains(&text(quote!(::kniff_nn::Module<T> for Net<T> where T: Element))), "{in_where}");
    }

    #[test]
    fn other_parameters_that_a_field_mentions_must_be_modules() {
        let expanded = expand(parse_quote! {
            struct Residual<E: Element, L, A> { body: Vec<L>, #[module(skip)] activation: A, gain: Scale<E> }
        });
        assert!(expanded.contains(&text(quote!(where L: ::kniff_nn::Module<E>))), "{expanded}");
        assert!(!expanded.contains("A :"), "{expanded}");
        assert!(!expanded.contains("activation"), "{expanded}");
    }

    #[test]
    fn tuple_structs_count_their_fields_past_skipped_ones() {
        let expanded = expand(parse_quote! { struct Pair(Linear, #[module(skip)] f64, Linear); });
        let visit = quote!(<Linear as ::kniff_nn::Module<f32>>::visit(&self.2, path, visitor));
        let visit = format!("path . enter (\"2\" , | path | {}", text(visit));
        assert!(expanded.contains(&visit), "{expanded}");
        assert!(!expanded.contains("\"1\""), "{expanded}");
    }

    #[test]
    fn names_can_be_chosen_and_raw_identifiers_lose_their_prefix() {
        let expanded = expand(parse_quote! {
            struct Net { #[module(rename = "head")] out: Linear, r#type: Linear }
        });
        assert!(expanded.contains("\"head\"") && expanded.contains("self . out"), "{expanded}");
        assert!(expanded.contains("\"type\"") && expanded.contains("self . r#type"), "{expanded}");
    }

    #[test]
    fn element_and_crate_can_be_given() {
        let expanded = expand(parse_quote! {
            #[module(element = "f64", crate = "kniff::nn")]
            struct Net { out: Linear<f64> }
        });
        assert!(expanded.contains(&text(quote!(impl kniff::nn::Module<f64> for Net))), "{expanded}");
        assert!(!expanded.contains("kniff_nn"), "{expanded}");
    }

    #[test]
    fn const_parameters_lifetimes_and_conditions_pass_through() {
        let expanded = expand(parse_quote! {
            struct Net<'a, const N: usize> where [(); N]: Sized { layers: [&'a Linear; N] }
        });
        let head = quote!(impl<'a, const N: usize> ::kniff_nn::Module<f32> for Net<'a, N> where [(); N]: Sized);
        assert!(expanded.contains(&text(head)), "{expanded}");
    }

    #[test]
    fn a_struct_without_fields_is_a_module_without_parameters() {
        let expanded = expand(parse_quote! { struct Nothing; });
        assert!(!expanded.contains("enter"), "{expanded}");
    }

    #[test]
    fn enums_and_unions_are_refused_with_a_way_out() {
        let error = refuse(parse_quote! { enum Either { A(Linear), B(Linear) } });
        assert!(error.contains("structs only") && error.contains("by hand"), "{error}");
        assert!(refuse(parse_quote! { union Both { a: u8, b: u8 } }).contains("structs only"));
    }

    #[test]
    fn two_fields_of_one_name_and_two_elements_are_refused() {
        let error = refuse(parse_quote! { struct Net { a: Linear, #[module(rename = "a")] b: Linear } });
        assert!(error.contains("`a`"), "{error}");
        let error = refuse(parse_quote! { struct Net<A: Element, B: Element> { a: Linear<A>, b: Linear<B> } });
        assert!(error.contains("element = \"B\""), "{error}");
    }
}
