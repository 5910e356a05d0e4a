// One run: its timeline, its messages, and what can be done about it.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { post } from '../api/client';
import { isActive, type Message, type Run } from '../api/types';
import { CopyButton, ErrorNote, Id, Loading, Status, useAction } from '../components/basics';
import { JsonView } from '../components/json_view';
import { MessageContent } from '../components/message_text';
import { age, compact, dateTime, duration, shortId } from '../lib/format';
import { explain } from '../lib/errors';
import { useKeys, useNow, useTitle } from '../lib/hooks';
import { links, navigate } from '../lib/router';
import { curl, rustProgram } from '../lib/snippets';
import { assistants } from '../state/assistants';
import { useObservable } from '../state/observable';
import { RunDetail } from '../state/run_detail';
import { OutputsForm } from './outputs';
import { elapsed } from './runs';
import { StartRun } from './start_run';
import { TimelineView } from './timeline';

export function RunView({ thread, id }: { thread: string; id: string }) {
  useTitle(`Run ${shortId(id)}`);
  const detail = useMemo(() => new RunDetail(thread, id), [thread, id]);
  useEffect(() => () => detail.close(), [detail]);
  useObservable(detail);
  useObservable(assistants);
  const now = useNow();
  const [isRaw, setRaw] = useState(false);
  const [isStarting, setStarting] = useState(false);
  useKeys((event) => {
    if (event.key === 'Escape') navigate(links.runs);
    else if (event.key === 'r') setRaw(!isRaw);
    else return;
    event.preventDefault();
  });
  const { run } = detail;
  if (!run) {
    return (
      <main class="view" id="main">
        <Back />
        {detail.error ? <ErrorNote error={detail.error} /> : <Loading />}
      </main>
    );
  }
  const path = `threads/${thread}/runs/${id}`;
  return (
    <main class="view" id="main">
      <Back />
      <header class="view-header">
        <h1>
          <a class="plain" href={links.assistant(run.assistant_id ?? '')}>{assistants.name(run.assistant_id)}</a>
        </h1>
        <Status status={run.status} />
        <span class="grow" />
        <Cancel run={run} onCancel={(run) => detail.replaceRun(run)} />
        <button type="button" class="button" onClick={() => setStarting(true)} disabled={isActive(run.status)}>
          Run again
        </button>
        <CopyButton label="Copy as curl" text={() => curl(path)} />
        <CopyButton label="Copy as Rust" text={() => rustProgram(run)} />
        <button type="button" class="button" aria-pressed={isRaw} onClick={() => setRaw(!isRaw)}>
          Raw JSON
        </button>
      </header>
      {detail.error && <ErrorNote error={detail.error} />}
      <Facts run={run} now={now} />
      <Explanation run={run} />
      {isRaw && (
        <section class="card" aria-label="Raw JSON">
          <JsonView value={{ run, steps: detail.steps }} />
        </section>
      )}
      {run.status === 'requires_action' && <OutputsForm key={run.id} run={run} onSubmit={(run) => detail.replaceRun(run)} />}
      <TimelineView run={run} steps={detail.steps} messages={detail.messages} now={now} />
      <Conversation messages={detail.messages} run={run} />
      {isStarting && <StartRun thread={thread} onClose={() => setStarting(false)} />}
    </main>
  );
}

function Back() {
  return (
    <nav class="back" aria-label="Breadcrumb">
      <a href={links.runs}>← Runs</a>
    </nav>
  );
}

function Facts({ run, now }: { run: Run; now: number }) {
  const { usage } = run;
  const metadata = Object.entries(run.metadata ?? {});
  return (
    <dl class="facts">
      <div>
        <dt>Run</dt>
        <dd><Id id={run.id} /></dd>
      </div>
      <div>
        <dt>Thread</dt>
        <dd><Id id={run.thread_id} href={links.thread(run.thread_id)} /></dd>
      </div>
      <div>
        <dt>Model</dt>
        <dd>{run.model}</dd>
      </div>
      <div>
        <dt>Created</dt>
        <dd title={dateTime(run.created_at ?? 0)}>{age(run.created_at ?? now, now)} ago</dd>
      </div>
      <div>
        <dt>Duration</dt>
        <dd>{elapsed(run, now)}</dd>
      </div>
      {isActive(run.status) && run.expires_at && (
        <div>
          <dt>Expires in</dt>
          <dd>{duration(Math.max(0, run.expires_at - now))}</dd>
        </div>
      )}
      <div>
        <dt>Tokens</dt>
        <dd>
          {usage ? (
            <>
              {compact(usage.total_tokens ?? 0)}{' '}
              <span class="muted small">
                {compact(usage.prompt_tokens ?? 0)} in, {compact(usage.completion_tokens ?? 0)} out
              </span>
            </>
          ) : (
            '–'
          )}
        </dd>
      </div>
      {metadata.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="ellipsis" title={value}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Explanation({ run }: { run: Run }) {
  const explanation = explain(run);
  if (!explanation) return null;
  const { title, text, details } = explanation;
  return (
    <div class={`note ${run.status === 'failed' ? 'note-error' : ''}`}>
      <strong>{title}</strong>
      <span>{text}</span>
      {details && <code class="error-details">{details}</code>}
    </div>
  );
}

function Cancel({ run, onCancel }: { run: Run; onCancel: (run: Run) => void }) {
  const action = useAction();
  if (!['queued', 'in_progress', 'requires_action'].includes(run.status)) return null;
  const cancel = () =>
    action.run(async () => onCancel(await post<Run>(`threads/${run.thread_id}/runs/${run.id}/cancel`)));
  return (
    <>
      {action.error && <span class="bad" role="alert">{action.error.message}</span>}
      <button type="button" class="button button-danger" disabled={action.isBusy} onClick={cancel}>
        Cancel run
      </button>
    </>
  );
}

export function Conversation({ messages, run }: { messages: Message[]; run?: Run }) {
  return (
    <section class="card" aria-labelledby="conversation-title">
      <header class="card-header">
        <h2 id="conversation-title">Conversation</h2>
        <span class="muted">{messages.length === 1 ? '1 message' : `${messages.length} messages`}</span>
      </header>
      {messages.length === 0 && <p class="muted">No messages</p>}
      <ol class="messages" aria-live="polite" aria-relevant="additions">
        {messages.map((message) => (
          <li key={message.id} class={`message message-${message.role} ${run && message.run_id === run.id ? 'message-own' : ''}`}>
            <header>
              <span class="strong">{message.role === 'user' ? 'User' : assistants.name(message.assistant_id)}</span>
              <span class="muted small" title={message.id}>{dateTime(message.created_at)}</span>
              {message.status === 'in_progress' && <span class="badge">writing</span>}
              {message.status === 'incomplete' && <span class="badge badge-bad">incomplete</span>}
              {!run && message.run_id && (
                <a class="small" href={links.run(message.thread_id, message.run_id)}>
                  run {shortId(message.run_id)}
                </a>
              )}
            </header>
            <MessageContent message={message} />
          </li>
        ))}
      </ol>
    </section>
  );
}
