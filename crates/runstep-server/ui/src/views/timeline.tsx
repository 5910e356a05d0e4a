// The steps of a run as bars, which unfold to their details.

import { useState } from 'preact/hooks';
import type { Message, Run, Step, ToolCall } from '../api/types';
import { JsonText } from '../components/json_view';
import { MessageContent } from '../components/message_text';
import { compact, duration, tick as formatTick } from '../lib/format';
import { ticks, timeline, type Bar } from '../lib/timeline';

interface Props {
  run: Run;
  steps: Step[];
  messages: Message[];
  now: number;
}

export function TimelineView({ run, steps, messages, now }: Props) {
  const { start, end, bars } = timeline(run, steps, now);
  const length = end - start;
  const [open, setOpen] = useState<Set<string>>(new Set());
  const toggle = (key: string) => {
    const next = new Set(open);
    if (!next.delete(key)) next.add(key);
    setOpen(next);
  };
  const shown = new Set<string>();
  return (
    <section class="card" aria-labelledby="timeline-title">
      <header class="card-header">
        <h2 id="timeline-title">Timeline</h2>
        <Legend />
      </header>
      <div class="timeline">
        <div class="timeline-axis" aria-hidden="true">
          <span />
          <div class="timeline-track">
            {ticks(length).map((tick) => (
              <span key={tick} class="tick" style={{ left: `${(tick / length) * 100}%` }}>
                {formatTick(tick)}
              </span>
            ))}
          </div>
          <span class="numeric">Time</span>
          <span class="numeric">Tokens</span>
        </div>
        <ul class="timeline-rows">
          {bars.map((bar) => {
            // The tokens of a step are shown once, at its first call.
            const usage = bar.step && !shown.has(bar.step.id) ? bar.step.usage : null;
            if (bar.step) shown.add(bar.step.id);
            const hasDetails = bar.step !== undefined;
            const isOpen = open.has(bar.key);
            return (
              <li key={bar.key}>
                <button
                  type="button"
                  class="timeline-row"
                  aria-expanded={hasDetails ? isOpen : undefined}
                  disabled={!hasDetails}
                  onClick={() => toggle(bar.key)}
                >
                  <span class="timeline-label ellipsis">
                    <span class="chevron" aria-hidden="true">{hasDetails ? (isOpen ? '▾' : '▸') : ''}</span>
                    {bar.label}
                    {bar.failed && <span class="badge badge-bad">{bar.step?.status ?? 'failed'}</span>}
                  </span>
                  <span class="timeline-track">
                    <span class={`bar bar-${bar.kind} ${bar.isOpen ? 'bar-open' : ''} ${bar.failed ? 'bar-failed' : ''}`} style={position(bar, start, length)} />
                  </span>
                  <span class="numeric">{duration(bar.end - bar.start)}</span>
                  <span class="numeric muted">{usage ? compact(usage.total_tokens ?? 0) : ''}</span>
                </button>
                {isOpen && bar.step && <Details bar={bar} step={bar.step} messages={messages} />}
              </li>
            );
          })}
        </ul>
      </div>
    </section>
  );
}

function position(bar: Bar, start: number, length: number) {
  const left = ((bar.start - start) / length) * 100;
  const width = ((bar.end - bar.start) / length) * 100;
  return { left: `min(${left}%, calc(100% - 4px))`, width: `max(${width}%, 4px)` };
}

function Legend() {
  const kinds = [
    ['queued', 'queued'],
    ['model', 'model'],
    ['message', 'writing'],
    ['tool', 'built-in tool'],
    ['waiting', 'waiting for outputs'],
  ];
  return (
    <ul class="legend" aria-label="Colors of the bars">
      {kinds.map(([kind, label]) => (
        <li key={kind}>
          <span class={`swatch bar-${kind}`} aria-hidden="true" />
          {label}
        </li>
      ))}
    </ul>
  );
}

function Details({ bar, step, messages }: { bar: Bar; step: Step; messages: Message[] }) {
  const details = step.step_details;
  const message = details.type === 'message_creation' ? messages.find((message) => message.id === details.message_creation.message_id) : undefined;
  const { usage, last_error } = step;
  return (
    <div class="step-details">
      {last_error && <p class="note note-error">{last_error.message}</p>}
      {message && <MessageContent message={message} />}
      {details.type === 'message_creation' && !message && <p class="muted">The message was deleted.</p>}
      {bar.call && <CallDetails call={bar.call} />}
      <p class="muted small mono">
        {step.id}
        {usage && ` · ${usage.prompt_tokens} prompt + ${usage.completion_tokens} completion tokens`}
      </p>
    </div>
  );
}

export function CallDetails({ call }: { call: ToolCall }) {
  if (call.type === 'function') {
    const output = call.function?.output;
    return (
      <div class="call-columns">
        <div>
          <h3>Arguments</h3>
          <JsonText text={call.function?.arguments ?? ''} />
        </div>
        <div>
          <h3>Output</h3>
          {output === null || output === undefined ? <p class="muted">Not submitted</p> : <JsonText text={output} />}
        </div>
      </div>
    );
  }
  if (call.type === 'code_interpreter') {
    const outputs = call.code_interpreter?.outputs ?? [];
    return (
      <div class="call-columns">
        <div>
          <h3>Code</h3>
          <pre class="plain-text">{call.code_interpreter?.input}</pre>
        </div>
        <div>
          <h3>Output</h3>
          {outputs.map((output, index) => (
            <pre key={index} class="plain-text">{output.type === 'logs' ? output.logs : `Image ${output.image?.file_id}`}</pre>
          ))}
          {outputs.length === 0 && <p class="muted">None</p>}
        </div>
      </div>
    );
  }
  const results = call.file_search?.results ?? [];
  return (
    <div>
      <h3>Found</h3>
      {results.length === 0 && <p class="muted">Nothing</p>}
      <ul class="found">
        {results.map((result, index) => (
          <li key={index}>
            <span class="strong">{result.file_name}</span> <span class="muted">score {result.score.toFixed(2)}</span>
            {result.content?.map((content, index) => (
              <p key={index}>{content.text}</p>
            ))}
          </li>
        ))}
      </ul>
    </div>
  );
}
