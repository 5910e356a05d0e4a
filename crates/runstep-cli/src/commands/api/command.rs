//! The subcommands of `runstep api`, from the table of operations.

use clap::builder::{BoolishValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};

use super::operation::{Body, Kind, Operation};
use crate::connection::pair;

/// The flag with the whole body.
pub(super) const BODY: &str = "body";

/// Returns the subcommand of an operation.
pub(super) fn command(operation: &Operation) -> Command {
    let mut about = operation.summary.to_owned();
    let route = format!("{} {}", operation.method, operation.path);
    about.push_str(&format!(" ({route})"));
    let long_about = format!("{}\n\n{route}", operation.description);
    let mut command = Command::new(operation.command)
        .about(about)
        .long_about(long_about)
        // The name of the operation in the specification, and in the SDKs.
        .aliases([operation.id, operation.sdk_name]);
    for parameter in operation.parameters {
        let action = if parameter.is_list { ArgAction::Append } else { ArgAction::Set };
        let argument = argument(parameter.flag, parameter.kind, parameter.help)
            .required(parameter.is_required)
            .action(action);
        command = command.arg(argument.help_heading("Parameters"));
    }
    match &operation.body {
        Some(body) => with_body(command, body),
        None => command,
    }
}

fn with_body(mut command: Command, body: &Body) -> Command {
    for property in body.properties {
        let mut argument = argument(property.flag, property.kind, property.help);
        if property.kind == Kind::Map {
            argument = argument.action(ArgAction::Append);
        }
        command = command.arg(argument.help_heading("Properties of the body"));
    }
    let mut help =
        "The body: JSON, a file with JSON, or `-` for standard input. Flags override its \
                    properties"
            .to_owned();
    if !body.other_properties.is_empty() {
        help.push_str(&format!(". Only here: {}", body.other_properties.join(", ")));
    }
    command.arg(
        Arg::new(BODY)
            .long(BODY)
            .value_name("JSON|FILE|-")
            .help(help)
            .help_heading("Properties of the body"),
    )
}

fn argument(flag: &'static str, kind: Kind, help: &'static str) -> Arg {
    let (value_name, parser) = match kind {
        Kind::Text(_) => ("TEXT", ValueParser::string()),
        Kind::Integer => ("INTEGER", clap::value_parser!(i64).into()),
        Kind::Number => ("NUMBER", clap::value_parser!(f64).into()),
        Kind::Boolean => ("BOOLEAN", BoolishValueParser::new().into()),
        Kind::Map => ("KEY=VALUE", ValueParser::new(pair)),
    };
    let mut help = help.to_owned();
    // Other values are allowed: providers have some of their own.
    if let Kind::Text([first, others @ ..]) = kind {
        help.push_str(&format!(" [values: {first}"));
        others.iter().for_each(|value| help.push_str(&format!(", {value}")));
        help.push(']');
    }
    let argument = Arg::new(flag).long(flag).value_name(value_name).value_parser(parser).help(help);
    match kind {
        Kind::Boolean => {
            argument.num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        Kind::Number | Kind::Integer => argument.allow_negative_numbers(true),
        // Instructions may start with a dash.
        Kind::Text(_) | Kind::Map => argument.allow_hyphen_values(true),
    }
}
