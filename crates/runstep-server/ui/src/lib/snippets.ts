// Code that repeats what the page shows.

import { apiUrl, hasKey } from '../api/client';
import type { Run } from '../api/types';

function shell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns a command that fetches an object, or with a body sends it. */
export function curl(path: string, body?: unknown): string {
  const lines = [`curl ${shell(apiUrl(path))}`, `-H 'OpenAI-Beta: assistants=v2'`];
  if (hasKey()) lines.push(`-H "Authorization: Bearer $OPENAI_API_KEY"`);
  if (body !== undefined) {
    lines.push(`-H 'Content-Type: application/json'`, `-d ${shell(JSON.stringify(body))}`);
  }
  return lines.join(' \\\n  ');
}

function rust(text: string): string {
  return JSON.stringify(text).replace(/\\u([0-9a-f]{4})/g, '\\u{$1}');
}

/** Returns a program that waits for a run and prints its calls. */
export function rustProgram(run: Run): string {
  const base = apiUrl('').replace(/\/$/, '');
  return `// RUNSTEP_BASE_URL=${base}
#[tokio::main]
async fn main() -> runstep::Result<()> {
    let client = runstep::Client::from_env()?; // RUNSTEP_BASE_URL, RUNSTEP_API_KEY
    let run = client.runs(${rust(run.thread_id)}).poll(${rust(run.id)}).await?; // until it ends or requires action
    for call in run.function_calls() {
        println!("{}({})", call.function.name, call.function.arguments);
    }
    println!("{}", run.status);
    Ok(())
}
`;
}
