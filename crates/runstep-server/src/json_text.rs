//! Members of JSON objects as text. The JSON schemas of tools and response formats can be long, and
//! take many times as much memory as values than as text, so they are never parsed as a whole.

use std::borrow::Cow;
use std::ops::Range;

use axum::body::Bytes;

/// The members that can be long, with the text that stands for them in the rest of the object.
const LONG_MEMBERS: [(&str, &[u8]); 2] = [("tools", b"[]"), ("response_format", b"\"auto\"")];

/// The long members of an assistant or a run, which share the text they were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LongMembers {
    pub(crate) tools: Option<Bytes>,
    pub(crate) response_format: Option<Bytes>,
}

impl LongMembers {
    /// Splits the JSON of an object into its long members and the rest, which has short values in
    /// their place.
    pub(crate) fn split(json: &Bytes) -> (Self, Cow<'_, [u8]>) {
        let found = LONG_MEMBERS.map(|(name, _)| member(json, name));
        let text = |range: &Option<Range<usize>>| range.clone().map(|range| json.slice(range));
        let [tools, response_format] = &found;
        let members = Self { tools: text(tools), response_format: text(response_format) };
        let mut cuts: Vec<(Range<usize>, &[u8])> = found
            .into_iter()
            .zip(LONG_MEMBERS)
            .filter_map(|(range, (_, short))| Some((range?, short)))
            .collect();
        if cuts.is_empty() {
            return (members, Cow::Borrowed(json));
        }
        cuts.sort_by_key(|(range, _)| range.start);
        let mut rest = Vec::new();
        let mut position = 0;
        for (range, short) in cuts {
            rest.extend_from_slice(json.get(position..range.start).unwrap_or_default());
            rest.extend_from_slice(short);
            position = range.end;
        }
        rest.extend_from_slice(json.get(position..).unwrap_or_default());
        (members, Cow::Owned(rest))
    }

    /// Returns the length of all members.
    pub(crate) fn len(&self) -> usize {
        self.texts().into_iter().flatten().map(Bytes::len).sum()
    }

    /// Returns the JSON of an object with these members, which it may have short values for.
    pub(crate) fn join(&self, rest: Vec<u8>) -> Bytes {
        let mut pieces: Vec<(Range<usize>, &Bytes)> = LONG_MEMBERS
            .iter()
            .zip(self.texts())
            .filter_map(|((name, short), text)| {
                let text = text.as_ref().filter(|text| text != short)?;
                Some((member(&rest, name)?, text))
            })
            .collect();
        if pieces.is_empty() {
            return rest.into_boxed_slice().into();
        }
        pieces.sort_by_key(|(range, _)| range.start);
        let length: usize = pieces.iter().map(|(_, text)| text.len()).sum();
        let mut json = Vec::with_capacity(rest.len() + length);
        let mut position = 0;
        for (range, text) in pieces {
            json.extend_from_slice(rest.get(position..range.start).unwrap_or_default());
            json.extend_from_slice(text);
            position = range.end;
        }
        json.extend_from_slice(rest.get(position..).unwrap_or_default());
        json.into_boxed_slice().into()
    }

    fn texts(&self) -> [&Option<Bytes>; 2] {
        [&self.tools, &self.response_format]
    }
}

/// Returns where the value of a member is in the text of an object. Reads the text up to its end.
pub(crate) fn member(json: &[u8], name: &str) -> Option<Range<usize>> {
    let (mut position, mut depth) = (0, 0_usize);
    let (mut expects_name, mut is_found, mut start) = (false, false, None);
    while let Some(byte) = json.get(position) {
        match byte {
            b'"' => {
                let end = string_end(json, position + 1)?;
                if depth == 1 && expects_name {
                    expects_name = false;
                    is_found = json.get(position + 1..end) == Some(name.as_bytes());
                }
                position = end;
            }
            b':' if depth == 1 && is_found => start = start.or(Some(position + 1)),
            b',' if depth == 1 => {
                if let Some(start) = start {
                    return Some(start..position);
                }
                expects_name = true;
            }
            b'{' | b'[' => {
                depth += 1;
                expects_name = depth == 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return start.map(|start| start..position);
                }
            }
            _ => {}
        }
        position += 1;
    }
    None
}

/// Returns the position of the quote that ends a string.
fn string_end(json: &[u8], mut position: usize) -> Option<usize> {
    loop {
        position += memchr::memchr2(b'"', b'\\', json.get(position..)?)?;
        if json.get(position) == Some(&b'"') {
            return Some(position);
        }
        position += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_members_are_split_and_joined() {
        for json in [
            r#"{"id":"a","tools":[{"x":"]}\"tools\":[]"}],"response_format":{"a":[1]},"z":1}"#,
            r#"{"response_format":"auto","metadata":{"tools":"x"},"tools":[]}"#,
            r#"{"metadata":{"tools":[1,2]},"id":"\\"}"#,
            r#"{"tools":[1]}"#,
            "{}",
        ] {
            let json = Bytes::from_static(json.as_bytes());
            let (members, rest) = LongMembers::split(&json);
            let rest = rest.into_owned();
            assert_eq!(members.join(rest.clone()), json);
            let value: serde_json::Value = serde_json::from_slice(&rest).unwrap();
            if let Some(tools) = value.get("tools") {
                assert_eq!(tools, &serde_json::json!([]));
            }
        }
    }

    #[test]
    fn text_that_is_not_json_has_no_members() {
        for json in ["", "]", "\"", "{\"tools\"", "{\"tools\":", "{\"a\\", "tools"] {
            assert_eq!(member(json.as_bytes(), "tools"), None, "{json}");
        }
    }
}
