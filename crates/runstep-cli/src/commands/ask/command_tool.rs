//! A command as a tool.
//!
//! The command is split into arguments once, before any value is known, and runs without a shell. A
//! value of the model replaces a placeholder within one argument, so it can neither add an argument nor
//! start another command.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};

use runstep::types::{FunctionDefinition, Tool};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// Maximum length of an output for the model, in bytes. The API accepts 512 kB for all outputs of a run.
const MAX_OUTPUT: u64 = 256 * 1024;
/// Maximum length of standard error in the output of a command that failed, in bytes.
const MAX_ERROR_OUTPUT: u64 = 16 * 1024;

/// The arguments of a call, by name.
pub(super) type Arguments = BTreeMap<String, Value>;

/// A command that the model can call.
#[derive(Clone, Debug)]
pub(crate) struct CommandTool {
    name: String,
    program: String,
    arguments: Vec<Vec<Part>>,
}

/// A part of an argument.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    Placeholder(String),
}

/// Why a command was not run, or what it failed with.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("the argument `{0}` is missing")]
    Missing(String),
    #[error(
        "the argument `{0}` starts with `-`, so the command would take it for an option; use another \
         value"
    )]
    Option(String),
    #[error("the command cannot be run: {0}")]
    Io(#[from] std::io::Error),
    #[error("the command ended with {status}: {output}")]
    Failed { status: ExitStatus, output: String },
}

/// Parses `NAME=COMMAND`.
pub(crate) fn parse(argument: &str) -> Result<CommandTool, String> {
    let (name, command) = argument.split_once('=').ok_or("expected `NAME=COMMAND`")?;
    let words = shlex::split(command).ok_or("the command has a quote without an end")?;
    let [program, arguments @ ..] = words.as_slice() else {
        return Err("the command is empty".to_owned());
    };
    if parts(program).iter().any(|part| matches!(part, Part::Placeholder(_))) {
        return Err("the model must not choose the program: only its arguments may have {…}".into());
    }
    Ok(CommandTool {
        name: name.trim().to_owned(),
        program: program.clone(),
        arguments: arguments.iter().map(|argument| parts(argument)).collect(),
    })
}

/// Splits an argument at its placeholders. Other braces, as in JSON, are literal.
fn parts(argument: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Placeholder(name.to_owned()));
                rest = after;
            }
            None => {
                literal.push('{');
                rest = after;
            }
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(is_letter) && name.starts_with(|first: char| !first.is_ascii_digit())
}

impl CommandTool {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the function for the model: each placeholder is a required text.
    pub(super) fn definition(&self) -> Tool {
        let names = self.arguments.iter().flatten().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        });
        let mut properties = Map::new();
        for name in names {
            properties.entry(name).or_insert_with(|| json!({ "type": "string" }));
        }
        let required: Vec<&String> = properties.keys().collect();
        let schema = json!({
            "type": "object",
            "required": required,
            "properties": properties,
            "additionalProperties": false,
        });
        let mut function = FunctionDefinition::new(&self.name);
        if let Value::Object(schema) = schema {
            function = function.parameters(schema);
        }
        function.into()
    }

    /// Returns the arguments of the command, with the values of a call.
    fn expand(&self, values: &Arguments) -> Result<Vec<String>, CommandError> {
        let mut may_be_option = true;
        let mut expanded = Vec::new();
        for parts in &self.arguments {
            let mut argument = String::new();
            for part in parts {
                match part {
                    Part::Literal(text) => argument.push_str(text),
                    Part::Placeholder(name) => {
                        let value = values.get(name).filter(|value| !value.is_null());
                        let value = value.ok_or_else(|| CommandError::Missing(name.clone()))?;
                        match value {
                            Value::String(text) => argument.push_str(text),
                            other => argument.push_str(&other.to_string()),
                        }
                    }
                }
            }
            if let (true, true, Some(Part::Placeholder(name))) =
                (may_be_option, argument.starts_with('-'), parts.first())
            {
                return Err(CommandError::Option(name.clone()));
            }
            may_be_option &= parts.as_slice() != [Part::Literal("--".to_owned())];
            expanded.push(argument);
        }
        Ok(expanded)
    }

    /// Returns the command of a call, quoted so that each argument is visible as one.
    pub(super) fn command_line(&self, values: &Arguments) -> Result<String, CommandError> {
        let arguments = self.expand(values)?;
        let words = std::iter::once(&self.program).chain(&arguments);
        let quoted = words.map(|word| match shlex::try_quote(word) {
            Ok(quoted) => quoted.into_owned(),
            // A NUL, with which the command does not start.
            Err(_) => format!("{word:?}"),
        });
        Ok(quoted.collect::<Vec<_>>().join(" "))
    }

    /// Runs the command and returns its output. The environment variables `secrets` are not passed on.
    pub(super) async fn execute(
        &self,
        values: &Arguments,
        secrets: &[String],
    ) -> Result<String, CommandError> {
        let mut command = Command::new(&self.program);
        command
            .args(self.expand(values)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C is a question about the run, and must not end its commands before the answer.
        #[cfg(unix)]
        command.process_group(0);
        for name in secrets {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        let input = json!(values).to_string();
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A command need not read its input.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ((), output, errors) =
            tokio::join!(write, read(stdout, MAX_OUTPUT), read(stderr, MAX_ERROR_OUTPUT));
        let (output, errors) = (output?, errors?);
        let status = child.wait().await?;
        match status.success() {
            true => Ok(output),
            false if errors.trim().is_empty() => Err(CommandError::Failed { status, output }),
            false => Err(CommandError::Failed { status, output: errors }),
        }
    }
}

/// Reads a stream to its end, and returns the start of it.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    max_bytes: u64,
) -> Result<String, std::io::Error> {
    let Some(mut stream) = stream else { return Ok(String::new()) };
    let mut start = Vec::new();
    (&mut stream).take(max_bytes).read_to_end(&mut start).await?;
    // The command would wait if nobody read the rest.
    let dropped = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    let mut text = String::from_utf8_lossy(&start).into_owned();
    if dropped > 0 {
        text.push_str(&format!("\n[{dropped} more bytes were left out]"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: Value) -> Arguments {
        serde_json::from_value(values).unwrap()
    }

    #[test]
    fn a_value_stays_one_argument() {
        let tool =
            parse("find=rg --color never '{pattern}' src/{folder} '{\"a\": {folder}}'").unwrap();
        let arguments = values(json!({ "pattern": "a b; rm -rf $(x)", "folder": "x y" }));
        let expanded = tool.expand(&arguments).unwrap();
        assert_eq!(expanded, ["--color", "never", "a b; rm -rf $(x)", "src/x y", "{\"a\": x y}"]);
        let line = tool.command_line(&arguments).unwrap();
        assert_eq!(line, r#"rg --color never 'a b; rm -rf $(x)' 'src/x y' '{"a": x y}'"#);
    }

    #[test]
    fn a_value_does_not_become_an_option() {
        let attack = values(json!({ "pattern": "--pre=evil" }));
        let message = |tool: &str| parse(tool).unwrap().expand(&attack).map_err(|e| e.to_string());
        assert!(message("find=rg {pattern}").unwrap_err().contains("starts with `-`"));
        assert_eq!(message("find=rg -- {pattern}").unwrap(), ["--", "--pre=evil"]);
        assert_eq!(message("find=rg --regexp={pattern}").unwrap(), ["--regexp=--pre=evil"]);
    }

    #[test]
    fn invalid_commands_are_rejected() {
        for (argument, reason) in [
            ("find", "NAME=COMMAND"),
            ("find=", "empty"),
            ("find='rg", "quote"),
            ("find={program} x", "must not choose the program"),
        ] {
            let error = parse(argument).unwrap_err();
            assert!(error.contains(reason), "{argument}: {error}");
        }
    }

    #[test]
    fn the_schema_has_each_placeholder_once() {
        let tool = parse("copy=cp {from} {to} {from}").unwrap().definition();
        let tool = serde_json::to_value(tool).unwrap();
        assert_eq!(tool["function"]["name"], "copy");
        let text = json!({ "type": "string" });
        assert_eq!(
            tool["function"]["parameters"],
            json!({
                "type": "object",
                "required": ["from", "to"],
                "properties": { "from": text, "to": text },
                "additionalProperties": false,
            })
        );
    }
}
