//! Estimates the memory of a parsed body before it is parsed.
//!
//! An array of zeros takes 2 bytes per value as text, and more than 70 as values. So the text's
//! length does not bound the memory of the values.

/// The memory of an array's item or an object's member, in bytes.
const VALUE_BYTES: usize = 128;
/// The memory of an object without its members, in bytes.
const OBJECT_BYTES: usize = 384;
/// The memory that the values of a body can need, if the maximum length is not more. In bytes.
const MIN_BOUND: usize = 1024 * 1024;

/// Returns whether the values of a body would need too much memory. The texts of the values are
/// not counted, because they are bounded by the length of the body.
pub(super) fn is_too_large(json: &[u8], max_body_bytes: usize) -> bool {
    let bound = max_body_bytes.max(MIN_BOUND);
    // Two bytes are the shortest item, and an object needs more.
    if json.len().saturating_mul(OBJECT_BYTES) <= bound {
        return false;
    }
    let mut estimate = 0_usize;
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b',' | b'[' => estimate += VALUE_BYTES,
            b'{' => estimate += OBJECT_BYTES,
            _ => {}
        }
    }
    estimate > bound
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 512 * 1024;

    fn is_accepted(json: &str) -> bool {
        !is_too_large(json.as_bytes(), LIMIT)
    }

    #[test]
    fn bodies_of_many_small_values_are_refused() {
        for item in ["0,", "{},", "{\"\":0},", "[],", "\"\","] {
            let json = |count: usize| format!("[{}0]", item.repeat(count));
            assert!(is_accepted(&json(1000)), "{item}");
            assert!(!is_accepted(&json(100_000)), "{item}");
        }
    }

    #[test]
    fn punctuation_in_texts_does_not_count() {
        let text = ",[{\\\"\\\\".repeat(50_000);
        assert!(is_accepted(&format!("{{\"text\": \"{text}\"}}")));
        assert!(!is_accepted(&format!(
            "{{\"text\": \"{text}\", \"more\": [{}0]}}",
            "0,".repeat(50_000)
        )));
    }
}
