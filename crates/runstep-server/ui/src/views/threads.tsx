// Threads: a list, and one with its conversation and runs.

import { useEffect, useState } from 'preact/hooks';
import { all, get } from '../api/client';
import type { List, Message, Run, Thread } from '../api/types';
import { CopyButton, Empty, ErrorNote, Id, Loading, Status } from '../components/basics';
import { JsonView } from '../components/json_view';
import { age, dateTime, shortId } from '../lib/format';
import { useKeys, useNow, useTitle } from '../lib/hooks';
import { links, navigate } from '../lib/router';
import { curl } from '../lib/snippets';
import { assistants } from '../state/assistants';
import { feed } from '../state/feed';
import { NO_FILTER, runList } from '../state/run_list';
import { useObservable } from '../state/observable';
import { Conversation } from './run';
import { elapsed } from './runs';
import { StartRun } from './start_run';

export function Threads() {
  useTitle('Threads');
  const now = useNow(10_000);
  const [threads, setThreads] = useState<Thread[]>([]);
  const [next, setNext] = useState<string | null>('');
  const [error, setError] = useState<Error | null>(null);
  const [isLoading, setLoading] = useState(false);
  const load = (after: string, known: Thread[]) => {
    setLoading(true);
    const cursor = after ? `&after=${encodeURIComponent(after)}` : '';
    get<List<Thread>>(`threads?limit=100${cursor}`)
      .then((page) => {
        setThreads([...known, ...page.data]);
        setNext(page.has_more ? page.last_id : null);
        setError(null);
      }, setError)
      .finally(() => setLoading(false));
  };
  useEffect(() => load('', []), []);
  return (
    <main class="view" id="main">
      <header class="view-header">
        <h1>Threads</h1>
        <span class="grow" />
        <button type="button" class="button" onClick={() => load('', [])}>
          Refresh
        </button>
      </header>
      {error && <ErrorNote error={error} />}
      {!isLoading && !error && threads.length === 0 && <Empty title="There are no threads yet." />}
      <ul class="plain-list">
        {threads.map((thread) => (
          <li key={thread.id}>
            <a class="list-row thread-columns" href={links.thread(thread.id)}>
              <span class="mono ellipsis">{thread.id}</span>
              <span class="muted ellipsis">
                {Object.entries(thread.metadata ?? {})
                  .map(([name, value]) => `${name}=${value}`)
                  .join('  ')}
              </span>
              <span class="numeric muted" title={dateTime(thread.created_at)}>{age(thread.created_at, now)}</span>
            </a>
          </li>
        ))}
      </ul>
      {isLoading && <Loading />}
      {next && !isLoading && (
        <button type="button" class="button" onClick={() => load(next, threads)}>
          Load more
        </button>
      )}
    </main>
  );
}

export function ThreadView({ id }: { id: string }) {
  useTitle(`Thread ${shortId(id)}`);
  useObservable(assistants);
  const now = useNow();
  const [thread, setThread] = useState<Thread | null>(null);
  const [messages, setMessages] = useState<Message[]>([]);
  const [runs, setRuns] = useState<Run[]>([]);
  const [error, setError] = useState<Error | null>(null);
  const [isRaw, setRaw] = useState(false);
  const [isStarting, setStarting] = useState(false);
  useEffect(() => {
    let isCurrent = true;
    const load = async () => {
      try {
        const [thread, messages, runs] = await Promise.all([
          get<Thread>(`threads/${id}`),
          all<Message>(`threads/${id}/messages`, 200),
          get<List<Run>>(`runs?thread_id=${encodeURIComponent(id)}&limit=100`),
        ]);
        if (!isCurrent) return;
        setThread(thread);
        setMessages(messages.reverse());
        setRuns(runs.data);
        setError(null);
      } catch (error) {
        if (isCurrent) setError(error as Error);
      }
    };
    void load();
    const unsubscribe = feed.receive((event) => {
      const concerns = event.kind === 'ready' || (event.kind === 'run' && event.run.thread_id === id);
      if (concerns) void load();
    });
    return () => {
      isCurrent = false;
      unsubscribe();
    };
  }, [id]);
  useKeys((event) => {
    if (event.key === 'Escape') navigate(links.threads);
    else if (event.key === 'n') setStarting(true);
    else return;
    event.preventDefault();
  });
  return (
    <main class="view" id="main">
      <nav class="back" aria-label="Breadcrumb">
        <a href={links.threads}>← Threads</a>
      </nav>
      <header class="view-header">
        <h1>Thread</h1>
        <Id id={id} />
        <span class="grow" />
        <button type="button" class="button button-primary" disabled={!thread} onClick={() => setStarting(true)}>
          Run an assistant
        </button>
        <CopyButton label="Copy as curl" text={() => curl(`threads/${id}`)} />
        <button type="button" class="button" aria-pressed={isRaw} onClick={() => setRaw(!isRaw)}>
          Raw JSON
        </button>
      </header>
      {error && <ErrorNote error={error} />}
      {!thread && !error && <Loading />}
      {isRaw && thread && (
        <section class="card" aria-label="Raw JSON">
          <JsonView value={{ thread, messages }} />
        </section>
      )}
      {thread && (
        <section class="card" aria-labelledby="runs-title">
          <header class="card-header">
            <h2 id="runs-title">Runs</h2>
            <a
              href={links.runs}
              onClick={() => runList.setFilter({ ...NO_FILTER, thread: id })}
            >
              Show in the list
            </a>
          </header>
          <ul class="plain-list">
            {runs.map((run) => (
              <li key={run.id}>
                <a class="list-row thread-run-columns" href={links.run(run.thread_id, run.id)}>
                  <Status status={run.status} />
                  <span class="ellipsis strong">{assistants.name(run.assistant_id)}</span>
                  <span class="mono muted ellipsis">{shortId(run.id)}</span>
                  <span class="numeric">{elapsed(run, now)}</span>
                  <span class="numeric muted">{age(run.created_at ?? now, now)}</span>
                </a>
              </li>
            ))}
          </ul>
          {runs.length === 0 && <p class="muted">No assistant has run on this thread.</p>}
        </section>
      )}
      {thread && <Conversation messages={messages} />}
      {isStarting && <StartRun thread={id} onClose={() => setStarting(false)} />}
    </main>
  );
}
