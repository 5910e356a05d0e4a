//! The client's methods.

use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, File, ImplItem, Item, Stmt, parse_quote};

use crate::codegen::error::Error;

/// The constructor with the generator's timeout of 15 s goes: it cuts long requests and streams.
/// The `api-version` header goes too: it belongs to another kind of server. Replies are decoded by
/// `decode`, which says where one fails.
///
/// What is looked for and not found is an error: the generator writes it in another way then.
pub(super) fn polish(client: &mut File) -> Result<(), Error> {
    for item in &mut client.items {
        let Item::Impl(block) = item else { continue };
        block.attrs.clear();
        block
            .items
            .retain(|item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"));
        for item in &mut block.items {
            let ImplItem::Fn(function) = item else { continue };
            function.block.stmts.retain(|statement| !adds_version(statement));
            let headers =
                function.block.stmts.iter().filter(|statement| is_about_headers(statement)).count();
            if headers == 1 {
                // Nothing is left but the empty map.
                function.block.stmts.retain(|statement| !is_about_headers(statement));
                DropHeaders.visit_block_mut(&mut function.block);
            }
            let mut decode = Decode::default();
            decode.visit_block_mut(&mut function.block);
            let name = &function.sig.ident;
            if function.sig.asyncness.is_some() && !decode.found {
                return Err(Error::Unexpected(format!(
                    "`{name}` has no `ResponseValue::from_response` to replace"
                )));
            }
            let block = &function.block;
            if quote!(#block).to_string().contains("api-version") {
                return Err(Error::Unexpected(format!("`{name}` still sends `api-version`")));
            }
        }
    }
    Ok(())
}

fn adds_version(statement: &Stmt) -> bool {
    let text = quote!(#statement).to_string();
    text.starts_with("header_map") && text.contains("\"api-version\"")
}

fn is_about_headers(statement: &Stmt) -> bool {
    let text = quote!(#statement).to_string();
    text.contains("header_map") && !text.contains("let mut request")
}

/// Takes `.headers(header_map)` out of a chain of calls.
struct DropHeaders;

impl VisitMut for DropHeaders {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        if let Expr::MethodCall(call) = expression
            && call.method == "headers"
        {
            *expression = (*call.receiver).clone();
        }
    }
}

/// Puts `crate::decode::response` in the place of the generator's own decoding.
#[derive(Default)]
struct Decode {
    /// Whether a reply is made of the response at all: decoded, or left as it is.
    found: bool,
}

impl VisitMut for Decode {
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        let names: Vec<String> =
            path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            [.., "ResponseValue", "from_response"] => {
                *path = parse_quote!(crate::decode::response);
                self.found = true;
            }
            // A reply without a body, or with one that is no JSON.
            [.., "ResponseValue", "empty" | "stream" | "upgrade"] => self.found = true,
            _ => {}
        }
    }
}
