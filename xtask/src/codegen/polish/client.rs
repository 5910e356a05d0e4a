//! The client's methods.

use std::collections::BTreeSet;

use quote::{format_ident, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprLit, File, ImplItem, ImplItemFn, Item, Lit, LitStr, Stmt, Type, parse_quote};

use crate::codegen::error::Error;
use crate::codegen::lower::JSON;
use crate::codegen::streams::EVENTS;

/// The constructor with the generator's timeout of 15 s goes: it cuts long requests and streams.
/// The `api-version` header goes too: it belongs to another kind of server. Replies are decoded by
/// `decode`, which says where one fails, and the base URL is parsed once. What can be streamed gets
/// a second method for that.
///
/// What is looked for and not found is an error: the generator writes it in another way then.
pub(super) fn polish(client: &mut File, streams: &BTreeSet<String>) -> Result<(), Error> {
    Base.visit_file_mut(client);
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
                // Nothing is left but the empty map.
                function.block.stmts.retain(|statement| !is_about_headers(statement));
                DropHeaders.visit_block_mut(&mut function.block);
            }
            let mut decode = Decode::default();
            decode.visit_block_mut(&mut function.block);
            Urls { text: text_arguments(function) }.visit_block_mut(&mut function.block);
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
        let methods = block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(function) => Some(function),
            _ => None,
        });
        let streamed = methods
            .filter(|function| streams.iter().any(|id| is_of(function, id)))
            .map(streamed)
            .collect::<Result<Vec<_>, _>>()?;
        found += streamed.len();
        block.items.extend(streamed);
    }
    if found != streams.len() {
        let reason = format!("not every operation that streams has a method: {streams:?}");
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

/// The names of a method's arguments that are text.
fn text_arguments(function: &ImplItemFn) -> BTreeSet<String> {
    let arguments = function.sig.inputs.iter().filter_map(|input| match input {
        syn::FnArg::Typed(argument) => Some(argument),
        syn::FnArg::Receiver(_) => None,
    });
    let text = arguments.filter(
        |argument| matches!(&*argument.ty, Type::Reference(it) if *it.elem == parse_quote!(str)),
    );
    text.map(|argument| {
        let name = &argument.pat;
        quote!(#name).to_string()
    })
    .collect()
}

/// Makes the base URL's text one that is parsed.
struct Base;

impl VisitMut for Base {
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

/// Builds URLs in another way than the generator does, which parses the base anew for each request,
/// and copies each segment of the path twice.
struct Urls {
    text: BTreeSet<String>,
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
            if let Some(name) = name.filter(|name| self.text.contains(*name)) {
                let name = format_ident!("{name}");
                *argument = parse_quote!(crate::call::segment(#name));
            }
        }
        *expression = parse_quote!(self.baseurl.join(format_args!(#path, #(#arguments),*))?);
    }
}

/// Whether a method is that of an operation, whose id the generator writes in its own way.
fn is_of(function: &ImplItemFn, operation_id: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    plain(&function.sig.ident.to_string()) == plain(operation_id)
}

/// The same operation, whose reply is read as it comes.
fn streamed(function: &ImplItemFn) -> Result<ImplItem, Error> {
    let mut function = function.clone();
    let name = function.sig.ident.clone();
    function.sig.ident = format_ident!("{name}_stream");
    function.sig.output = parse_quote!(-> Result<ResponseValue<ByteStream>, Error<()>>);
    let what = format!(
        "As [`Self::{name}`], for a request that asks for a stream: the reply's bytes as they come, \
         which are events if its content type says so. Set `streams` in the call's options.\n"
    );
    function.attrs = vec![parse_quote!(#[doc = #what])];
    let mut stream = Stream::default();
    stream.visit_block_mut(&mut function.block);
    if stream.accepts != 1 || stream.decodes != 1 {
        let reason =
            format!("`{name}` cannot be made to stream: it accepts or decodes in another way");
        return Err(Error::Unexpected(reason));
    }
    Ok(ImplItem::Fn(function))
}

/// Asks for events, and leaves the reply as it comes.
#[derive(Default)]
struct Stream {
    accepts: usize,
    decodes: usize,
}

impl VisitMut for Stream {
    fn visit_lit_str_mut(&mut self, text: &mut LitStr) {
        if text.value() == JSON {
            // A server that cannot stream may still answer.
            *text = LitStr::new(&format!("{EVENTS}, {JSON}"), text.span());
            self.accepts += 1;
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        let text = quote!(#expression).to_string();
        if text.starts_with("crate :: decode :: response (") && text.ends_with(". await") {
            *expression = parse_quote!(Ok(ResponseValue::stream(response)));
            self.decodes += 1;
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
    fn visit_expr_call_mut(&mut self, call: &mut syn::ExprCall) {
        visit_mut::visit_expr_call_mut(self, call);
        if *call.func == parse_quote!(crate::decode::response) {
            // Where the reply's headers are left when it cannot be decoded.
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
            // A reply without a body, or with one that is no JSON.
            [.., "ResponseValue", "empty" | "stream" | "upgrade"] => self.found = true,
            _ => {}
        }
    }
}
