//! Request builders of the facade: a struct for each operation, with setters for its optional parameters
//! and properties, that calls the operation of the generated client.

use heck::ToSnakeCase as _;
use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use serde_json::Value;
use syn::{Field, FnArg, Ident, ImplItem, ImplItemFn, Item, ItemStruct, Type, parse_quote};

use crate::codegen::document::{Document, rust_name};
use crate::codegen::error::Error;
use crate::codegen::rewrite::{argument, type_named, wire_name};
use crate::codegen::{File, Generated};

/// The file, relative to the generated crate.
const PATH: &str = "../runstep/src/resources/requests.rs";

const HEAD: &str = "//! Request builders: a struct for each operation, with setters for its optional parameters and\n\
    //! properties.\n\n\
    use runstep_api::types::*;\n\
    use runstep_api::{ByteStream, Operation};\n\n\
    use super::macros::{awaitable, extra_fields, request_options};\n\
    use crate::client::{Client, SpanIds};\n\
    use crate::error::Result;\n\
    use crate::pagination::{PageQuery, list_request};\n\
    use crate::transport::{RequestOptions, Response, checked_id};\n\n";

/// A property without a setter: the builder has the method `stream`.
const STREAM: &str = "stream";

/// The parameters of list operations that select a page.
const PAGE: [&str; 4] = ["after", "before", "limit", "order"];

/// Renders a builder for each operation.
pub(super) fn render(header: &str, generated: &Generated) -> Result<File, Error> {
    let structs: Vec<&ItemStruct> = generated
        .code
        .structs
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) => Some(item),
            _ => None,
        })
        .collect();
    let methods: Vec<&ImplItemFn> = generated
        .code
        .client
        .items
        .iter()
        .filter_map(|item| if let Item::Impl(block) = item { Some(block) } else { None })
        .flat_map(|block| &block.items)
        .filter_map(|item| if let ImplItem::Fn(method) = item { Some(method) } else { None })
        .collect();
    let mut blocks = Vec::new();
    for (path, method, operation) in generated.document.operations() {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else { continue };
        let name = format_ident!("{}", id.to_snake_case());
        let find = |name: &Ident| methods.iter().find(|method| method.sig.ident == *name);
        let Some(function) = find(&name) else { continue };
        let summary = operation.get("summary").and_then(Value::as_str).unwrap_or(id);
        let request = Request {
            name: format_ident!("{}", rust_name(id)),
            description: format!(
                " A request to {}: `{} {path}`.",
                lower_first(summary),
                method.to_uppercase()
            ),
            output: output(function)?,
            streams: find(&format_ident!("{name}_stream")).is_some(),
            parameters: parameters(function, &generated.document, operation)?,
            function: name,
        };
        blocks.push(request.render(&structs));
    }
    let file: syn::File = parse_quote!(#(#blocks)*);
    let text = format!("{header}\n{HEAD}{}", prettyplease::unparse(&file));
    Ok(File { path: PATH.into(), text })
}

/// A request builder.
struct Request {
    name: Ident,
    /// The method of the generated client.
    function: Ident,
    description: String,
    output: Type,
    streams: bool,
    parameters: Vec<Parameter>,
}

/// A parameter of a method of the generated client.
struct Parameter {
    name: Ident,
    description: String,
    kind: Kind,
}

enum Kind {
    /// An ID in the path.
    Id,
    /// A parameter that selects a page.
    Page,
    /// A list in the query.
    List(Type),
    /// A text in the query.
    Text,
    /// The request body.
    Body(Type),
}

impl Request {
    fn render(&self, structs: &[&ItemStruct]) -> TokenStream {
        let Self { name, description, output, .. } = self;
        let body = self.body().and_then(|body| {
            let name = body.to_token_stream().to_string();
            structs.iter().find(|item| item.ident == name).copied()
        });
        let fields = self.fields();
        let (definitions, arguments, values) = (
            fields.iter().map(|field| &field.definition),
            fields.iter().filter_map(|field| field.argument.as_ref()),
            fields.iter().map(|field| &field.value),
        );
        let setters = self.setters(body);
        let execute = self.execute(body);
        let extra = body.map(|_| quote!(extra_fields! {}));
        let items = body.is_none().then(|| self.item(structs)).flatten();
        let (options, awaited) = match items {
            Some(item) => (None, quote!(list_request! { #name -> #output, #item })),
            None => (
                Some(quote!(request_options! { #output })),
                quote!(awaitable! { #name -> #output }),
            ),
        };
        quote! {
            #[doc = #description]
            #[derive(Clone, Debug)]
            #[must_use = "a request is sent when it is awaited"]
            pub struct #name {
                pub(crate) client: Client,
                pub(crate) options: RequestOptions,
                #(#definitions)*
            }
            impl #name {
                pub(crate) fn new(client: &Client, #(#arguments)*) -> Self {
                    Self { client: client.clone(), options: RequestOptions::default(), #(#values)* }
                }
                #setters
                #extra
                #options
                #execute
            }
            #awaited
        }
    }

    fn body(&self) -> Option<&Type> {
        self.parameters.iter().find_map(|parameter| match &parameter.kind {
            Kind::Body(kind) => Some(kind),
            _ => None,
        })
    }

    fn has_page(&self) -> bool {
        self.parameters.iter().any(|parameter| matches!(parameter.kind, Kind::Page))
    }

    /// Returns the type of the items, if the response is a list with pages.
    fn item<'a>(&self, structs: &[&'a ItemStruct]) -> Option<&'a Type> {
        let list = self.output.to_token_stream().to_string();
        let list = structs.iter().find(|item| item.ident == list).filter(|_| self.has_page())?;
        let is_data = |field: &&Field| field.ident.as_ref().is_some_and(|name| name == "data");
        type_named(&list.fields.iter().find(is_data)?.ty, "Vec")
    }

    fn fields(&self) -> Vec<BuilderField> {
        let mut fields = Vec::new();
        for Parameter { name, kind, .. } in &self.parameters {
            fields.push(match kind {
                Kind::Id => BuilderField {
                    definition: quote!(pub(crate) #name: String,),
                    argument: Some(quote!(#name: impl Into<String>,)),
                    value: quote!(#name: #name.into(),),
                },
                Kind::List(item) => BuilderField {
                    definition: quote!(pub(crate) #name: Vec<#item>,),
                    argument: None,
                    value: quote!(#name: Vec::new(),),
                },
                Kind::Text => BuilderField {
                    definition: quote!(pub(crate) #name: Option<String>,),
                    argument: None,
                    value: quote!(#name: None,),
                },
                Kind::Body(body) => BuilderField {
                    definition: quote!(pub(crate) #name: #body,),
                    argument: Some(quote!(#name: #body,)),
                    value: quote!(#name,),
                },
                Kind::Page => continue,
            });
        }
        if self.has_page() {
            fields.push(BuilderField {
                definition: quote!(pub(crate) page: PageQuery,),
                argument: None,
                value: quote!(page: PageQuery::default(),),
            });
        }
        fields
    }

    fn setters(&self, body: Option<&ItemStruct>) -> TokenStream {
        let optional = body.into_iter().flat_map(|body| &body.fields).filter(|field| {
            let is_optional =
                ["Option", "Field"].into_iter().any(|name| type_named(&field.ty, name).is_some());
            is_optional && wire_name(field) != STREAM
        });
        let mut setters: TokenStream = optional.map(setter).collect();
        for Parameter { name, description, kind } in &self.parameters {
            setters.extend(match kind {
                Kind::List(item) => quote! {
                    #[doc = #description]
                    pub fn #name(mut self, #name: impl Into<#item>) -> Self {
                        self.#name.push(#name.into());
                        self
                    }
                },
                Kind::Text => {
                    let text =
                        format!(" Sets the query parameter `{name}`, which filters the list.");
                    quote! {
                        #[doc = #text]
                        pub fn #name(mut self, #name: impl Into<String>) -> Self {
                            self.#name = Some(#name.into());
                            self
                        }
                    }
                }
                Kind::Id | Kind::Page | Kind::Body(_) => TokenStream::new(),
            });
        }
        setters
    }

    fn execute(&self, body: Option<&ItemStruct>) -> TokenStream {
        let Self { name, function, output, .. } = self;
        let prepare = self.prepare(body);
        let arguments = self.arguments();
        let call = |function: &Ident| quote!(move |api: runstep_api::Client| async move { api.#function(#(#arguments),*).await });
        let call_json = call(function);
        let mut methods = quote! {
            pub(crate) async fn execute(&self) -> Result<Response<#output>> {
                #prepare
                let call = #call_json;
                self.client.call(Operation::#name, ids, &self.options, call).await
            }
        };
        if self.streams {
            let has_flag = body
                .into_iter()
                .flat_map(|body| &body.fields)
                .any(|field| wire_name(field) == STREAM);
            let flag = has_flag.then(|| quote!(self.body.stream = true.into();));
            let call_stream = call(&format_ident!("{function}_stream"));
            methods.extend(quote! {
                /// Sends the request and returns its response as a stream of events.
                pub(crate) async fn open_stream(mut self) -> Result<Response<ByteStream>> {
                    #flag
                    self.options.streams = true;
                    #prepare
                    let call = #call_stream;
                    self.client.open(Operation::#name, ids, &self.options, call).await
                }
            });
        }
        methods
    }

    /// Checks the IDs and the body, and collects the IDs for the span.
    fn prepare(&self, body: Option<&ItemStruct>) -> TokenStream {
        let mut statements = TokenStream::new();
        let mut ids = Vec::new();
        for Parameter { name, kind, .. } in &self.parameters {
            match kind {
                Kind::Id => {
                    let text = name.to_string();
                    statements.extend(quote!(let #name = checked_id(#text, &self.#name)?;));
                    ids.push(quote!(#name: Some(#name)));
                }
                Kind::List(_) => statements
                    .extend(quote!(let #name = (!self.#name.is_empty()).then_some(&self.#name);)),
                Kind::Text => statements.extend(quote!(let #name = self.#name.as_deref();)),
                Kind::Body(_) => statements.extend(quote! {
                    let #name = &self.#name;
                    self.client.validate(#name)?;
                }),
                Kind::Page => {}
            }
        }
        if self.has_page() {
            statements.extend(quote! {
                let page = &self.page;
                self.client.validate_page_limit(page.limit)?;
            });
        }
        // The assistant of a new run is in its body.
        let assistant = |field: &&Field| {
            field.ident.as_ref().is_some_and(|name| name == "assistant_id")
                && field.ty.to_token_stream().to_string() == "String"
        };
        if body.into_iter().flat_map(|body| &body.fields).any(|field| assistant(&field)) {
            ids.push(quote!(assistant_id: Some(&body.assistant_id)));
        }
        quote! {
            #statements
            let ids = SpanIds { #(#ids,)* ..SpanIds::default() };
        }
    }

    fn arguments(&self) -> Vec<TokenStream> {
        let argument = |Parameter { name, kind, .. }: &Parameter| match kind {
            Kind::Page => match name.to_string().as_str() {
                "limit" => quote!(page.limit),
                "order" => quote!(page.order.as_ref()),
                _ => quote!(page.#name.as_deref()),
            },
            _ => quote!(#name),
        };
        self.parameters.iter().map(argument).collect()
    }
}

/// A field of a builder, its argument of `new` if it has one, and its initial value.
struct BuilderField {
    definition: TokenStream,
    argument: Option<TokenStream>,
    value: TokenStream,
}

/// Returns the parameters of a method, in order.
fn parameters(
    function: &ImplItemFn,
    document: &Document,
    operation: &Value,
) -> Result<Vec<Parameter>, Error> {
    let described = operation.get("parameters").and_then(Value::as_array);
    let described: Vec<&Value> =
        described.into_iter().flatten().map(|parameter| document.resolved(parameter)).collect();
    let description = |name: &Ident| {
        let is_named = |parameter: &&&Value| {
            let wire_name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            name == &wire_name.to_snake_case()
        };
        let description = described.iter().find(is_named)?.get("description")?.as_str()?;
        Some(format!(" {description}"))
    };
    let mut parameters = Vec::new();
    for input in &function.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let syn::Pat::Ident(pattern) = input.pat.as_ref() else { continue };
        let name = pattern.ident.clone();
        let optional = type_named(&input.ty, "Option");
        let kind = match (optional, referenced(optional.unwrap_or(&input.ty))) {
            _ if PAGE.iter().any(|page| name == page) => Kind::Page,
            (None, Some(kind)) if is_text(kind) => Kind::Id,
            (None, Some(kind)) => Kind::Body(unqualified(kind)),
            (Some(_), Some(kind)) if is_text(kind) => Kind::Text,
            (Some(_), Some(kind)) => match type_named(kind, "Vec") {
                Some(item) => Kind::List(unqualified(item)),
                None => return Err(unsupported(function, &name)),
            },
            _ => return Err(unsupported(function, &name)),
        };
        let description = description(&name).unwrap_or_default();
        parameters.push(Parameter { name, description, kind });
    }
    Ok(parameters)
}

fn unsupported(function: &ImplItemFn, parameter: &Ident) -> Error {
    let reason = format!("no request builder supports `{parameter}` of `{}`", function.sig.ident);
    Error::Unexpected(reason)
}

/// Returns the type in `Result<ResponseValue<T>, _>`.
fn output(function: &ImplItemFn) -> Result<Type, Error> {
    let syn::ReturnType::Type(_, result) = &function.sig.output else {
        return Err(unsupported(function, &format_ident!("output")));
    };
    let value = type_named(result, "Result").and_then(|value| type_named(value, "ResponseValue"));
    value.map(unqualified).ok_or_else(|| unsupported(function, &format_ident!("output")))
}

fn referenced(kind: &Type) -> Option<&Type> {
    if let Type::Reference(reference) = kind { Some(&reference.elem) } else { None }
}

fn is_text(kind: &Type) -> bool {
    kind.to_token_stream().to_string() == "str"
}

/// Returns the type without its module.
fn unqualified(kind: &Type) -> Type {
    match kind {
        Type::Path(path) => match path.path.segments.last() {
            Some(segment) => parse_quote!(#segment),
            None => kind.clone(),
        },
        kind => kind.clone(),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// Renders the setter of a field. A map of strings gets a second one that adds an entry.
fn setter(field: &Field) -> proc_macro2::TokenStream {
    let ident = &field.ident;
    let docs = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let wrapped = ["Option", "Field"].into_iter().find_map(|name| type_named(&field.ty, name));
    let kind = wrapped.unwrap_or(&field.ty);
    let (argument, _) = argument(ident, kind);
    let mut setter = quote! {
        #(#docs)*
        pub fn #ident(mut self, #ident: #argument) -> Self {
            self.body = self.body.#ident(#ident);
            self
        }
    };
    let map = kind.to_token_stream().to_string().ends_with("BTreeMap < String , String >");
    if let (Some(ident), true) = (ident, map) {
        let entry = format_ident!("{ident}_entry");
        let text = format!(
            " Adds an entry to [`{ident}`](Self::{ident}). An entry with the same key is replaced."
        );
        setter.extend(quote! {
            #[doc = #text]
            pub fn #entry(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.body.#ident.get_or_insert_default().insert(key.into(), value.into());
                self
            }
        });
    }
    setter
}
