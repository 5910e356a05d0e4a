//! Request builders of the SDK: a struct for each operation, with setters for its optional parameters
//! and properties, that calls the operation of the generated client.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use quote::ToTokens;
use serde_json::Value;
use syn::{FnArg, ImplItem, ImplItemFn, Item, ItemStruct, Type};

use super::request_template::{
    AWAITABLE, CONTEXT, EXTRA, HEAD, INTO_CALL, OPEN_RUN_STREAM, OPEN_STREAM, OPTIONS, PAGED,
    READ_PAGE, RUN_CONTEXT, SEND, SEND_LIST,
};
use super::setters::{self, argument_types, has_stream_flag, optional_fields, setter};
use crate::codegen::document::{Document, list, method_name, rust_name};
use crate::codegen::error::Error;
use crate::codegen::rewrite::{type_named, wire_name};
use crate::codegen::{File, Generated};

/// The file, relative to the generated crate.
const PATH: &str = "../runstep/src/resources/requests.rs";

/// The parameters of list operations that select a page.
const PAGE: [&str; 4] = ["after", "before", "limit", "order"];

/// Renders a builder for each operation.
pub(super) fn render(header: &str, generated: &Generated) -> Result<File, Error> {
    let Generated { code, document, .. } = generated;
    let structs: BTreeMap<String, &ItemStruct> = generated.structs().collect();
    let methods = code.client.items.iter().filter_map(|item| match item {
        Item::Impl(block) => Some(&block.items),
        _ => None,
    });
    let methods = methods.flatten().filter_map(|item| match item {
        ImplItem::Fn(method) => Some((method.sig.ident.to_string(), method)),
        _ => None,
    });
    let methods: BTreeMap<String, &ImplItemFn> = methods.collect();
    let mut text = String::new();
    let mut field_types = BTreeSet::new();
    for (path, method, operation) in document.operations() {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else { continue };
        let function = method_name(id);
        let Some(signature) = methods.get(&function) else { continue };
        let summary = operation.get("summary").and_then(Value::as_str).unwrap_or(id);
        let (summary, method) = (lower_first(summary), method.to_uppercase());
        text.push_str(&format!("/// A request to {summary}: `{method} {path}`.\n"));
        let request = Request {
            name: rust_name(id),
            output: output(signature)?,
            streams: methods.contains_key(&format!("{function}_stream")),
            parameters: parameters(signature, document, operation)?,
            function,
        };
        field_types.extend(request.field_types(&structs));
        text.push_str(&request.render(&structs));
    }
    text.push_str(&argument_types(&field_types, generated));
    let code = prettyplease::unparse(&syn::parse_file(&text)?);
    Ok(File { path: PATH.into(), text: format!("{header}\n{HEAD}{code}") })
}

/// A request builder.
struct Request {
    name: String,
    /// The method of the generated client.
    function: String,
    /// The type of the response.
    output: String,
    streams: bool,
    parameters: Vec<Parameter>,
}

/// A parameter of a method of the generated client, and the code for it in the builder.
#[derive(Default)]
struct Parameter {
    kind: Kind,
    /// The field of the builder.
    field: String,
    /// The argument of `new`.
    argument: String,
    /// The initial value of the field.
    value: String,
    /// The method that sets the field.
    setter: String,
    /// Statements before the call of the method.
    prepare: String,
    /// The argument of the method.
    passed: String,
}

#[derive(Default, PartialEq)]
enum Kind {
    /// An ID in the path, with its name.
    Id(String),
    /// A parameter that selects a page.
    Page,
    /// Another parameter in the query.
    #[default]
    Query,
    /// The request body, with its type.
    Body(String),
}

impl Request {
    fn render(&self, structs: &BTreeMap<String, &ItemStruct>) -> String {
        let Self { name, function, output, parameters, .. } = self;
        let body = parameters.iter().find_map(|parameter| match &parameter.kind {
            Kind::Body(kind) => structs.get(kind).copied(),
            _ => None,
        });
        let join = |part: fn(&Parameter) -> &str| parameters.iter().map(part).collect::<String>();
        let (mut fields, mut values) =
            (join(|parameter| &parameter.field), join(|parameter| &parameter.value));
        let (arguments, setters) =
            (join(|parameter| &parameter.argument), join(|parameter| &parameter.setter));
        let mut prepare = join(|parameter| &parameter.prepare);
        let has_page = parameters.iter().any(|parameter| parameter.kind == Kind::Page);
        if has_page {
            fields.push_str("pub(crate) page: PageQuery,");
            values.push_str("page: PageQuery::default(),");
            prepare.push_str("client.validate_page_limit(self.page.limit)?;");
        }
        prepare.push_str(&self.span_ids(body));
        let passed: Vec<&str> = parameters.iter().map(|parameter| &*parameter.passed).collect();
        let passed = passed.join(", ");
        let body_setters: String =
            body.map(optional_fields).into_iter().flatten().map(setter).collect();
        let extra = if body.is_some() { EXTRA } else { "" };
        let setters = format!("{body_setters} {setters} {extra}");
        let item = structs.get(output).filter(|_| has_page && body.is_none());
        let item = item.and_then(|list| item_type(list));
        let (send, paged, awaited, read_value) = match &item {
            Some(item) => (SEND_LIST, PAGED, format!("Page<{item}>"), READ_PAGE),
            None => (SEND, "", output.clone(), "CompletedCall::value"),
        };
        // The type with the methods that send the request, their context, and where its fields are.
        let is_run_request = self.streams && body.is_some_and(has_stream_flag);
        let (sender, context, root) = match is_run_request {
            true => (format!("{name}Params"), RUN_CONTEXT, "self.params"),
            false => (name.clone(), CONTEXT, "self"),
        };
        let open_stream = match (self.streams, is_run_request) {
            (false, _) => "",
            (true, false) => OPEN_STREAM,
            (true, true) => OPEN_RUN_STREAM,
        };
        let api_request = format!(
            "impl ApiRequest for {sender} {{
                fn prepare(&mut self, client: &Client) -> Result<PreparedCall> {{
                    {prepare}
                    Ok(client.prepared_call(Operation::{name}, ids))
                }}
                fn build(&mut self, api: &runstep_api::Client) -> Result<reqwest::Request> {{
                    api.{function}_request({passed}).map_err(not_built)
                }}
            }}"
        );
        let template = match is_run_request {
            true => format!(
                r#"pub type {name}<M = Plain> = RunRequest<{sender}, M>;
                /// The parameters of [`{name}`].
                #[derive(Clone, Debug)]
                pub struct {sender} {{ {fields} }}
                impl {name} {{
                    pub(crate) fn new(client: &Client, {arguments}) -> Self {{
                        RunRequest::from_params(client, {sender} {{ {values} }})
                    }}
                }}
                impl<M> {name}<M> {{ {setters} }}
                impl {sender} {{ {open_stream} }}
                {api_request}
                "#
            ),
            false => format!(
                r#"#[derive(Clone, Debug)]
                #[must_use = "a request is sent when it is awaited"]
                pub struct {name} {{
                    pub(crate) client: Client,
                    pub(crate) options: RequestOptions,
                    {fields}
                }}
                impl {name} {{
                    #[inline]
                    pub(crate) fn new(client: &Client, {arguments}) -> Self {{
                        Self {{ client: client.clone(), options: RequestOptions::default(), {values} }}
                    }}
                    {setters} {OPTIONS} {send} {open_stream} {INTO_CALL}
                }}
                {api_request}
                {AWAITABLE}
                {paged}
                "#
            ),
        };
        let item = item.as_deref().unwrap_or_default();
        let names = [
            ("READ_VALUE", read_value),
            ("OUTPUT", &*awaited),
            ("LIST", output),
            ("ITEM", item),
            ("NAME", name),
            ("ROOT", root),
        ];
        let placeholders = context.iter().copied().chain(names);
        placeholders.fold(template, |code, (placeholder, text)| code.replace(placeholder, text))
    }

    /// Returns the types of arguments of setters, apart from those of Rust.
    fn field_types(&self, structs: &BTreeMap<String, &ItemStruct>) -> BTreeSet<String> {
        let bodies = self.parameters.iter().filter_map(|parameter| match &parameter.kind {
            Kind::Body(name) => structs.get(name),
            _ => None,
        });
        let has_order = self.parameters.iter().any(|parameter| parameter.kind == Kind::Page);
        let order = has_order.then(|| "Order".to_owned());
        bodies.flat_map(|body| setters::field_types(body)).chain(order).collect()
    }

    /// Collects the IDs for the span.
    fn span_ids(&self, body: Option<&ItemStruct>) -> String {
        let ids = self.parameters.iter().filter_map(|parameter| match &parameter.kind {
            Kind::Id(name) => Some(format!("{name}: Some({name}),")),
            _ => None,
        });
        // The assistant of a new run is in its body.
        let mut fields = body.into_iter().flat_map(|body| &body.fields);
        let assistant =
            fields.any(|field| wire_name(field) == "assistant_id" && text(&field.ty) == "String");
        let assistant = if assistant { "assistant_id: Some(&self.body.assistant_id)," } else { "" };
        let ids: String = ids.collect();
        format!("let ids = SpanIds {{ {ids} {assistant} ..SpanIds::default() }};")
    }
}

/// Returns the parameters of a method, in order.
fn parameters(
    function: &ImplItemFn,
    document: &Document,
    operation: &Value,
) -> Result<Vec<Parameter>, Error> {
    let described: Vec<&Value> = list(operation, "parameters")
        .iter()
        .map(|parameter| document.resolved(parameter))
        .collect();
    let description = |name: &str| {
        let named = described.iter().find(|parameter| {
            let wire_name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            name == wire_name.to_snake_case()
        });
        named.and_then(|parameter| parameter.get("description")?.as_str()).unwrap_or_default()
    };
    let mut parameters = Vec::new();
    for input in &function.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let name = text(&input.pat);
        if PAGE.contains(&name.as_str()) {
            parameters.push(page(&name));
            continue;
        }
        let optional = type_named(&input.ty, "Option");
        let Type::Reference(reference) = optional.unwrap_or(&input.ty) else {
            return Err(unsupported(function, &name));
        };
        let kind = &*reference.elem;
        let is_text = text(kind) == "str";
        parameters.push(match (optional, type_named(kind, "Vec")) {
            (None, _) if is_text => Parameter {
                field: format!("pub(crate) {name}: String,"),
                argument: format!("{name}: impl Into<String>,"),
                value: format!("{name}: {name}.into(),"),
                prepare: format!("let {name} = checked_id({name:?}, &self.{name})?;"),
                passed: format!("&self.{name}"),
                kind: Kind::Id(name),
                ..Parameter::default()
            },
            (None, _) => Parameter {
                field: format!("pub(crate) {name}: {},", unqualified(kind)),
                argument: format!("{name}: {},", unqualified(kind)),
                value: format!("{name},"),
                prepare: format!("client.validate(&self.{name})?;"),
                passed: format!("&self.{name}"),
                kind: Kind::Body(unqualified(kind)),
                ..Parameter::default()
            },
            (Some(_), _) if is_text => Parameter {
                field: format!("pub(crate) {name}: Option<String>,"),
                value: format!("{name}: None,"),
                setter: format!(
                    "/// Sets the query parameter `{name}`, which filters the list.
                    pub fn {name}(mut self, {name}: impl IntoField<String>) -> Self {{
                        ROOT.{name} = self.EXTRA_OPTIONS.field({name:?}, {name}).into_option();
                        self
                    }}"
                ),
                passed: format!("self.{name}.as_deref()"),
                ..Parameter::default()
            },
            (Some(_), Some(item)) => Parameter {
                field: format!("pub(crate) {name}: Vec<{}>,", unqualified(item)),
                value: format!("{name}: Vec::new(),"),
                setter: format!(
                    "#[doc = {:?}]
                    pub fn {name}(mut self, {name}: impl Into<{}>) -> Self {{
                        ROOT.{name}.push({name}.into());
                        self
                    }}",
                    format!(" {}", description(&name)),
                    unqualified(item)
                ),
                passed: format!("(!self.{name}.is_empty()).then_some(&self.{name})"),
                ..Parameter::default()
            },
            (Some(_), None) => return Err(unsupported(function, &name)),
        });
    }
    Ok(parameters)
}

/// Returns a parameter that selects a page. It is a field of `page`.
fn page(name: &str) -> Parameter {
    let passed = match name {
        "limit" => "self.page.limit".to_owned(),
        "order" => "self.page.order.as_ref()".to_owned(),
        _ => format!("self.page.{name}.as_deref()"),
    };
    Parameter { kind: Kind::Page, passed, ..Parameter::default() }
}

fn unsupported(function: &ImplItemFn, parameter: &str) -> Error {
    let reason = format!("no request builder supports `{parameter}` of `{}`", function.sig.ident);
    Error::Unexpected(reason)
}

/// Returns the type in `Result<ResponseValue<T>, _>`.
fn output(function: &ImplItemFn) -> Result<String, Error> {
    let result = match &function.sig.output {
        syn::ReturnType::Type(_, result) => type_named(result, "Result"),
        syn::ReturnType::Default => None,
    };
    let value = result.and_then(|value| type_named(value, "ResponseValue"));
    value.map(unqualified).ok_or_else(|| unsupported(function, "output"))
}

/// Returns the type of the items of a list.
fn item_type(list: &ItemStruct) -> Option<String> {
    let data = list.fields.iter().find(|field| wire_name(field) == "data")?;
    type_named(&data.ty, "Vec").map(text)
}

pub(super) fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// Returns the type without its module.
fn unqualified(kind: &Type) -> String {
    match kind {
        Type::Path(path) => path.path.segments.last().map(text).unwrap_or_default(),
        kind => text(kind),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
