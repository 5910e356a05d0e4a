//! The client's methods.

use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, File, ImplItem, Item, Stmt, parse_quote};

/// The constructor with the generator's timeout of 15 s goes: it cuts long requests and streams.
/// The `api-version` header goes too: it belongs to another kind of server. Replies are decoded by
/// `decode`, which says where one fails.
pub(super) fn polish(client: &mut File) {
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
            Decode.visit_block_mut(&mut function.block);
        }
    }
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
struct Decode;

impl VisitMut for Decode {
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        if quote!(#path).to_string() == "ResponseValue :: from_response" {
            *path = parse_quote!(crate::decode::response);
        }
    }
}
