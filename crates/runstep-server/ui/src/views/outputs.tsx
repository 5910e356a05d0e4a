// The outputs of a run's functions, submitted by hand.

import { useState } from 'preact/hooks';
import { post } from '../api/client';
import type { Run } from '../api/types';
import { ErrorNote, useAction } from '../components/basics';
import { JsonText, parse } from '../components/json_view';
import { argumentFields } from '../lib/schema';

interface Call {
  id: string;
  function: { name: string; arguments: string };
}

interface FunctionTool {
  type: string;
  function?: { name?: string; description?: string | null; parameters?: unknown };
}

export function OutputsForm({ run, onSubmit }: { run: Run; onSubmit: (run: Run) => void }) {
  const calls = (run.required_action?.submit_tool_outputs.tool_calls ?? []) as Call[];
  const [outputs, setOutputs] = useState<Record<string, string>>({});
  const action = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    action.run(async () => {
      const tool_outputs = calls.map(({ id }) => ({ tool_call_id: id, output: outputs[id] ?? '' }));
      onSubmit(await post<Run>(`threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs }));
    });
  };
  return (
    <form class="card card-attention" aria-labelledby="outputs-title" onSubmit={submit}>
      <header class="card-header">
        <h2 id="outputs-title">Waiting for {calls.length === 1 ? 'an output' : `${calls.length} outputs`}</h2>
        <span class="muted">All outputs are submitted at once.</span>
      </header>
      {calls.map((call) => (
        <CallForm
          key={call.id}
          call={call}
          tool={(run.tools as FunctionTool[]).find((tool) => tool.function?.name === call.function.name)}
          output={outputs[call.id] ?? ''}
          onOutput={(output) => setOutputs({ ...outputs, [call.id]: output })}
        />
      ))}
      {action.error && <ErrorNote error={action.error} />}
      <footer class="form-actions">
        <button type="submit" class="button button-primary" disabled={action.isBusy}>
          {action.isBusy ? 'Submitting…' : 'Submit outputs'}
        </button>
      </footer>
    </form>
  );
}

function CallForm({ call, tool, output, onOutput }: { call: Call; tool?: FunctionTool; output: string; onOutput: (output: string) => void }) {
  const fields = argumentFields(tool?.function?.parameters, call.function.arguments);
  const looksLikeJson = /^\s*[[{]/.test(output);
  const isBroken = looksLikeJson && parse(output) === undefined;
  return (
    <fieldset class="call-form">
      <legend class="mono">{call.function.name}</legend>
      {tool?.function?.description && <p class="muted">{tool.function.description}</p>}
      {fields ? (
        <dl class="arguments">
          {fields.map((field) => (
            <div key={field.name}>
              <dt>
                <code>{field.name}</code>
                <span class="muted small">
                  {field.type}
                  {field.isRequired ? '' : ', optional'}
                </span>
              </dt>
              <dd>
                {field.value === undefined ? <span class="muted">not set</span> : <code>{JSON.stringify(field.value)}</code>}
                {field.description && <span class="muted small"> {field.description}</span>}
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <JsonText text={call.function.arguments} />
      )}
      <label class="field">
        <span class="field-label">Output of {call.function.name}</span>
        <textarea
          class="input mono"
          rows={3}
          placeholder="Text or JSON, as the function would return it"
          value={output}
          onInput={(event) => onOutput(event.currentTarget.value)}
        />
        {isBroken && <span class="field-hint bad">This is not valid JSON. It is submitted as text.</span>}
      </label>
      <div class="templates">
        <button type="button" class="button button-small" onClick={() => onOutput('{"ok":true}')}>
          Success
        </button>
        <button type="button" class="button button-small" onClick={() => onOutput('{"error":"not available"}')}>
          Error
        </button>
        <button type="button" class="button button-small" onClick={() => onOutput(call.function.arguments)}>
          From the arguments
        </button>
      </div>
    </fieldset>
  );
}
