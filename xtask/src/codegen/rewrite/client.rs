//! Methods of the client.

use std::collections::BTreeSet;

use quote::{format_ident, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprLit, File, ImplItem, ImplItemFn, Item, Lit, Stmt, Type, parse_quote};

use crate::codegen::document::method_name;
use crate::codegen::error::Error;

/// Rewrites the client:
///
/// - Drops the constructor whose client has a total timeout of 15 s, which would end long requests
///   and streams.
/// - Drops the header `api-version`, which the API does not have.
/// - Decodes responses with `crate::decode::response`, whose errors have a JSON path.
/// - Parses the base URL once.
/// - Divides each operation into a function that builds the request, and a method that sends it with
///   `crate::call::send` and decodes the response. Bodies are serialized with `crate::call::with_json`. All
///   of this is compiled once, in the generated crate: callers with their own way of sending use the
///   function.
/// - Adds a second method to operations that may respond with an event stream.
///
/// Progenitor's code must have the expected form: if one of these changes does not apply, the
/// result is an error.
pub(super) fn rewrite(client: &mut File, event_streams: &BTreeSet<String>) -> Result<(), Error> {
    BaseUrl.visit_file_mut(client);
    let mut found = 0;
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
                // Only the empty map is left.
                function.block.stmts.retain(|statement| !is_about_headers(statement));
                DropHeaders.visit_block_mut(&mut function.block);
            }
            JsonBodies.visit_block_mut(&mut function.block);
            let mut decode = Decode::default();
            decode.visit_block_mut(&mut function.block);
            Urls { texts: text_arguments(function) }.visit_block_mut(&mut function.block);
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
        divide_operations(block)?;
        let methods = block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(function) => Some(function),
            _ => None,
        });
        let streaming = methods
            .filter(|function| {
                event_streams.iter().any(|id| function.sig.ident == method_name(id).as_str())
            })
            .map(streaming_method)
            .collect::<Result<Vec<_>, _>>()?;
        found += streaming.len();
        block.items.extend(streaming);
    }
    if found != event_streams.len() {
        let reason = format!("an operation with an event stream has no method: {event_streams:?}");
        return Err(Error::Unexpected(reason));
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

/// Adds the function that builds the request to each operation, before the method that sends it.
fn divide_operations(block: &mut syn::ItemImpl) -> Result<(), Error> {
    for item in std::mem::take(&mut block.items) {
        match item {
            ImplItem::Fn(mut function) if function.sig.asyncness.is_some() => {
                block.items.push(ImplItem::Fn(divide(&mut function)?));
                block.items.push(ImplItem::Fn(function));
            }
            item => block.items.push(item),
        }
    }
    Ok(())
}

/// Returns the function that builds the request of an operation, and changes the method to call it.
fn divide(function: &mut ImplItemFn) -> Result<ImplItemFn, Error> {
    const SENDS: [&str; 4] = [
        "self . pre (& mut request , & info) . await ? ;",
        "let result = self . exec (request , & info) . await ;",
        "self . post (& result , & info) . await ? ;",
        "let response = result ? ;",
    ];
    let name = function.sig.ident.clone();
    let statements = &mut function.block.stmts;
    let Some(first) = statements.iter().position(|statement| is_text(statement, SENDS[0])) else {
        return Err(Error::Unexpected(format!("`{name}` does not call `pre`")));
    };
    let mut decodes = statements.split_off(first);
    let is_expected = decodes.get(..SENDS.len()).is_some_and(|found| {
        found.iter().zip(SENDS).all(|(statement, text)| is_text(statement, text))
    });
    if !is_expected {
        return Err(Error::Unexpected(format!("`{name}` sends its request in another way")));
    }
    decodes.drain(..SENDS.len());
    let mut builds = std::mem::take(statements);
    builds.retain(|statement| !is_operation_info(statement));
    for statement in &mut builds {
        RequestIsMoved.visit_stmt_mut(statement);
    }
    let build = format_ident!("{name}_request");
    let arguments = function.sig.inputs.iter().filter_map(argument).map(|argument| &argument.pat);
    *statements = parse_quote! {
        let request = self.#build(#(#arguments),*)?;
        let response = crate::call::send(self, request).await?;
        #(#decodes)*
    };
    let docs = format!(
        "Returns the request of [`Self::{name}`], without the options of this client, and without sending it.\n"
    );
    let mut function = function.clone();
    function.attrs = vec![parse_quote!(#[doc = #docs])];
    function.sig.asyncness = None;
    function.sig.ident = build;
    function.sig.output = parse_quote!(-> Result<reqwest::Request, Error<()>>);
    function.block.stmts = builds;
    function.block.stmts.push(Stmt::Expr(parse_quote!(Ok(request)), None));
    Ok(function)
}

fn is_operation_info(statement: &Stmt) -> bool {
    quote!(#statement).to_string().starts_with("let info = OperationInfo")
}

/// Returns an argument, unless it is `self`.
fn argument(input: &syn::FnArg) -> Option<&syn::PatType> {
    match input {
        syn::FnArg::Typed(argument) => Some(argument),
        syn::FnArg::Receiver(_) => None,
    }
}

fn is_text(statement: &Stmt, text: &str) -> bool {
    quote!(#statement).to_string() == text
}

/// Removes `mut` from the variable `request`, which is not changed in the method.
struct RequestIsMoved;

impl VisitMut for RequestIsMoved {
    fn visit_local_mut(&mut self, local: &mut syn::Local) {
        if let syn::Pat::Ident(name) = &mut local.pat
            && name.ident == "request"
        {
            name.mutability = None;
            local.attrs.clear();
        }
    }
}

/// Replaces `.json(&body)` in method chains.
struct JsonBodies;

impl VisitMut for JsonBodies {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        if let Expr::MethodCall(call) = expression
            && call.method == "json"
            && call.args.first() == Some(&parse_quote!(&body))
        {
            let request = &call.receiver;
            *expression = parse_quote!(crate::call::with_json(#request, crate::encode(body)));
        }
    }
}

/// Removes `.headers(header_map)` from method chains.
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

/// Returns the names of the `&str` arguments of a method.
fn text_arguments(function: &ImplItemFn) -> BTreeSet<String> {
    let arguments = function.sig.inputs.iter().filter_map(argument);
    let texts = arguments.filter(
        |argument| matches!(&*argument.ty, Type::Reference(reference) if *reference.elem == parse_quote!(str)),
    );
    texts
        .map(|argument| {
            let name = &argument.pat;
            quote!(#name).to_string()
        })
        .collect()
}

/// Replaces the text of the base URL by a parsed one.
struct BaseUrl;

impl VisitMut for BaseUrl {
    fn visit_field_mut(&mut self, field: &mut syn::Field) {
        if field.ident.as_ref().is_some_and(|name| name == "baseurl") {
            field.ty = parse_quote!(crate::call::BaseUrl);
        }
    }

    fn visit_field_value_mut(&mut self, field: &mut syn::FieldValue) {
        if field.expr == parse_quote!(baseurl.to_string()) {
            field.expr = parse_quote!(crate::call::BaseUrl::new(baseurl));
        }
    }
}

/// Replaces the construction of URLs: progenitor parses the base URL for each request, and copies
/// each path segment twice.
struct Urls {
    texts: BTreeSet<String>,
}

impl VisitMut for Urls {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        use syn::punctuated::Punctuated;
        type Arguments = Punctuated<Expr, syn::Token![,]>;
        visit_mut::visit_expr_mut(self, expression);
        let Expr::Macro(call) = &*expression else { return };
        let Ok(arguments) = call.mac.parse_body_with(Arguments::parse_terminated) else { return };
        let mut arguments = arguments.into_iter();
        let (Some(template), Some(base)) = (arguments.next(), arguments.next()) else { return };
        let (Expr::Lit(ExprLit { lit: Lit::Str(template), .. }), true) =
            (template, base == parse_quote!(self.baseurl))
        else {
            return;
        };
        let Some(path) = template.value().strip_prefix("{}").map(str::to_owned) else { return };
        let mut arguments: Vec<Expr> = arguments.collect();
        for argument in &mut arguments {
            let text = quote!(#argument).to_string();
            let name = text.strip_prefix("encode_path (& ");
            let name = name.and_then(|name| name.strip_suffix(" . to_string ())"));
            if let Some(name) = name.filter(|name| self.texts.contains(*name)) {
                let name = format_ident!("{name}");
                *argument = parse_quote!(crate::call::segment(#name));
            }
        }
        *expression = parse_quote!(self.baseurl.join(format_args!(#path, #(#arguments),*))?);
    }
}

/// Returns a method for the same operation that returns the response as a stream of bytes.
fn streaming_method(function: &ImplItemFn) -> Result<ImplItem, Error> {
    let mut function = function.clone();
    let name = function.sig.ident.clone();
    function.sig.ident = format_ident!("{name}_stream");
    function.sig.output = parse_quote!(-> Result<ResponseValue<ByteStream>, Error<()>>);
    let docs = format!(
        "Sends the same request as [`Self::{name}`], and returns the bytes of the response as they \
         arrive.\n\nThe response is a stream of events if its content type says so. Set \
         [`CallOptions::streams`](crate::CallOptions::streams), with which the request accepts events.\n"
    );
    function.attrs = vec![parse_quote!(#[doc = #docs])];
    let mut stream = Stream::default();
    stream.visit_block_mut(&mut function.block);
    if stream.decodes != 1 {
        let reason = format!("`{name}` has no decoding that a stream could replace");
        return Err(Error::Unexpected(reason));
    }
    Ok(ImplItem::Fn(function))
}

/// Returns the response as it is.
#[derive(Default)]
struct Stream {
    decodes: usize,
}

impl VisitMut for Stream {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        let text = quote!(#expression).to_string();
        if text.starts_with("crate :: decode :: response (") && text.ends_with(". await") {
            *expression = parse_quote!(Ok(ResponseValue::stream(response)));
            self.decodes += 1;
        }
    }
}

/// Replaces progenitor's decoding by `crate::decode::response`.
#[derive(Default)]
struct Decode {
    /// Whether the method returns a response, decoded or not.
    found: bool,
}

impl VisitMut for Decode {
    fn visit_expr_call_mut(&mut self, call: &mut syn::ExprCall) {
        visit_mut::visit_expr_call_mut(self, call);
        if *call.func == parse_quote!(crate::decode::response) {
            // The client options get the headers of a response that cannot be decoded.
            call.args.push(parse_quote!(&self.inner));
        }
    }

    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        let names: Vec<String> =
            path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            [.., "ResponseValue", "from_response"] => {
                *path = parse_quote!(crate::decode::response);
                self.found = true;
            }
            // A response without a body, or with one that is not JSON.
            [.., "ResponseValue", "empty" | "stream" | "upgrade"] => self.found = true,
            _ => {}
        }
    }
}
