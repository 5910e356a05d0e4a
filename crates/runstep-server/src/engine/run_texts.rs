//! The tools and the response format of a run, as text that runs share.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};

use axum::body::Bytes;
use parking_lot::Mutex;
use runstep_api::types::{CodeInterpreterTool, FileSearchOptions, FileSearchTool, Tool};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::Result;
use super::objects;
use crate::json_text::LongMembers;
use crate::model::{Function, NamedSchema, ResponseFormat, SchemaText};
use crate::store::{KeyQuota, QuotaCharge, StoreError};

/// How many copies of its long members an execution needs for a while: in its object, in two events
/// while their text grows, in the request to the model, and in the buffers of the database.
const COPIES: usize = 6;

/// The long members of a run.
#[derive(Clone, Debug)]
pub(super) struct RunTexts(Arc<SharedTexts>);

#[derive(Debug)]
struct SharedTexts {
    members: LongMembers,
    /// For the one copy that all runs share.
    _charge: QuotaCharge,
}

/// Finds the texts that active runs have, so that runs with equal tools share them.
#[derive(Default)]
pub(super) struct SharedRunTexts {
    hasher: RandomState,
    texts: Mutex<HashMap<u64, Vec<Weak<SharedTexts>>>>,
}

impl SharedRunTexts {
    /// Returns the texts of a run, shared with other runs of the same key.
    pub(super) fn get(&self, quota: &Arc<KeyQuota>, members: LongMembers) -> RunTexts {
        let hash = self.hasher.hash_one((Arc::as_ptr(quota) as usize, &members));
        let mut texts = self.texts.lock();
        if texts.len() == texts.capacity() {
            texts.retain(|_, shared| {
                shared.retain(|texts| texts.strong_count() > 0);
                !shared.is_empty()
            });
        }
        let same = texts.entry(hash).or_default();
        same.retain(|texts| texts.strong_count() > 0);
        if let Some(shared) =
            same.iter().filter_map(Weak::upgrade).find(|shared| shared.members == members)
        {
            return RunTexts(shared);
        }
        let mut charge = quota.charge();
        charge.add(members.len());
        let shared = Arc::new(SharedTexts { members, _charge: charge });
        same.push(Arc::downgrade(&shared));
        RunTexts(shared)
    }
}

impl RunTexts {
    pub(super) fn members(&self) -> &LongMembers {
        &self.0.members
    }

    /// Returns the memory that an execution needs for copies.
    pub(super) fn execution_bytes(&self) -> usize {
        COPIES * self.0.members.len()
    }

    /// Returns the JSON of a run.
    pub(super) fn run_json(&self, run: &runstep_api::types::Run) -> Bytes {
        self.members().join(objects::json_text(run))
    }

    /// Returns the functions among the tools.
    pub(super) fn functions(&self) -> Result<Vec<Function>, StoreError> {
        let Some(tools) = &self.members().tools else { return Ok(Vec::new()) };
        let parsed: Vec<ToolText<'_>> = objects::parse_stored(tools)?;
        Ok(parsed
            .into_iter()
            .filter(|tool| tool.kind == "function")
            .filter_map(|tool| tool.function)
            .map(|function| Function {
                name: function.name.into_owned(),
                description: function.description.map(Cow::into_owned),
                parameters: function.parameters.map(|part| SchemaText::from_part(tools, part)),
                strict: function.strict.unwrap_or(false),
            })
            .collect())
    }

    /// Returns the built-in tools.
    pub(super) fn built_in_tools(&self) -> Result<Vec<Tool>, StoreError> {
        built_in_tools(self.members())
    }

    /// Returns the response format for a model.
    pub(super) fn response_format(&self) -> Result<ResponseFormat, StoreError> {
        let Some(text) = &self.members().response_format else { return Ok(ResponseFormat::Text) };
        if text.first() != Some(&b'{') {
            return Ok(ResponseFormat::Text);
        }
        let format: FormatText<'_> = objects::parse_stored(text)?;
        Ok(match (&*format.kind, format.json_schema) {
            ("json_object", _) => ResponseFormat::JsonObject,
            ("json_schema", Some(named)) => ResponseFormat::JsonSchema(NamedSchema {
                name: named.name.into_owned(),
                description: named.description.map(Cow::into_owned),
                schema: match named.schema {
                    Some(part) => SchemaText::from_part(text, part),
                    None => serde_json::Map::new().into(),
                },
                strict: named.strict.unwrap_or(false),
            }),
            _ => ResponseFormat::Text,
        })
    }
}

/// Returns the built-in tools among those of an assistant or a run.
pub(super) fn built_in_tools(members: &LongMembers) -> Result<Vec<Tool>, StoreError> {
    let Some(tools) = &members.tools else { return Ok(Vec::new()) };
    let tools: Vec<ToolText<'_>> = objects::parse_stored(tools)?;
    let built_in = tools.into_iter().filter_map(|tool| match &*tool.kind {
        "code_interpreter" => Some(CodeInterpreterTool::default().into()),
        "file_search" => {
            let mut search = FileSearchTool::default();
            search.file_search = tool.file_search;
            Some(search.into())
        }
        _ => None,
    });
    Ok(built_in.collect())
}

/// Returns whether one of the tools is a function with this name.
pub(super) fn has_function(members: &LongMembers, name: &str) -> Result<bool> {
    let Some(tools) = &members.tools else { return Ok(false) };
    let tools: Vec<ToolText<'_>> = objects::parse(tools)?;
    Ok(tools.iter().filter_map(|tool| tool.function.as_ref()).any(|tool| tool.name == name))
}

/// Returns tools as text.
pub(super) fn tools_text(tools: &[Tool]) -> Bytes {
    objects::json(&tools)
}

#[derive(Deserialize)]
struct ToolText<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    file_search: Option<FileSearchOptions>,
    #[serde(borrow)]
    function: Option<FunctionText<'a>>,
}

#[derive(Deserialize)]
struct FunctionText<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct FormatText<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    json_schema: Option<SchemaFormatText<'a>>,
}

#[derive(Deserialize)]
struct SchemaFormatText<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}
