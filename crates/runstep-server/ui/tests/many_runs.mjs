// A data file with many runs, by way of an import.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Creates a data file with runs that have completed, one per second, and returns its path. */
export function dataFileWith(count, directory) {
  const created = Math.floor(Date.now() / 1000) - count;
  const assistant = { id: 'asst_many', object: 'assistant', created_at: created, name: 'Many', model: 'm', tools: [] };
  const rows = [
    { table: 'namespaces', row: { key: 1, name: '' } },
    { table: 'assistants', row: { seq: 1, ns: 1, id: 'asst_many', version: 0, hidden: '{}' }, json: assistant },
  ];
  for (let number = 0; number < count; number += 1) {
    const time = created + number;
    const [thread, run] = [`thread_${number}`, `run_${number}`];
    rows.push({
      table: 'threads',
      row: { seq: 2 * number + 2, ns: 1, id: thread, version: 0, revision: 2 * number + 2 },
      json: { id: thread, object: 'thread', created_at: time, metadata: {}, tool_resources: {} },
    });
    rows.push({
      table: 'runs',
      row: {
        seq: 2 * number + 3, ns: 1, thread: 2 * number + 2, id: run, version: 0, phase: 4, expires_at: 0,
        ended_at: time, has_events: 0, owner: null, next_event: 1, hidden: '{}',
      },
      json: runObject(run, thread, time, number),
    });
  }
  rows.sort((a, b) => order(a) - order(b));
  const lines = [{ format: 'runstep-export', version: 2, rows: rows.length }, ...rows];
  const [text, data] = [join(directory, 'export.jsonl'), join(directory, 'many.db')];
  writeFileSync(text, lines.map((line) => JSON.stringify(line)).join('\n') + '\n');
  const result = spawnSync(process.env.RUNSTEP_SERVER, ['--data', data, 'import', text], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(result.stderr);
  return data;
}

function order({ table }) {
  return ['namespaces', 'assistants', 'threads', 'runs'].indexOf(table);
}

function runObject(id, thread, time, number) {
  return {
    id, object: 'thread.run', created_at: time, thread_id: thread, assistant_id: 'asst_many', status: 'completed',
    required_action: null, last_error: null, expires_at: null, started_at: time, cancelled_at: null, failed_at: null,
    completed_at: time, incomplete_details: null, model: 'm', instructions: '', tools: [],
    metadata: { number: String(number) }, usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    temperature: 1, top_p: 1, max_prompt_tokens: null, max_completion_tokens: null,
    truncation_strategy: { type: 'auto' }, tool_choice: 'auto', parallel_tool_calls: true, response_format: 'auto',
  };
}
