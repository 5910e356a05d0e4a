// The runs of all threads.

import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from '../api/client';
import { isActive, STATUSES, type Run, type RunCounts } from '../api/types';
import { Empty, ErrorNote, Status } from '../components/basics';
import { VirtualList } from '../components/virtual_list';
import { age, compact, dateTime, duration, number, shortId } from '../lib/format';
import { useKeys, useNow, useTitle } from '../lib/hooks';
import { links, navigate } from '../lib/router';
import { assistants } from '../state/assistants';
import { feed } from '../state/feed';
import { useObservable } from '../state/observable';
import { NO_FILTER, parseMetadata, runList, type Filter } from '../state/run_list';
import { StartRun } from './start_run';

export const WIDE = '(min-width: 760px)';

function useWide(): boolean {
  const [isWide, setWide] = useState(() => matchMedia(WIDE).matches);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const update = () => setWide(query.matches);
    query.addEventListener('change', update);
    return () => query.removeEventListener('change', update);
  }, []);
  return isWide;
}

/** Returns how long a run has taken, or takes until now. */
export function elapsed(run: Run, now: number): string {
  const end = run.completed_at ?? run.failed_at ?? run.cancelled_at ?? (isActive(run.status) ? now : null);
  // The API has no time at which a run has expired.
  if (end === null) return '–';
  return duration(Math.max(0, end - (run.created_at ?? end)));
}

export function Runs() {
  useTitle('Runs');
  useObservable(runList);
  useObservable(assistants);
  const now = useNow();
  const isWide = useWide();
  const rowHeight = isWide ? 36 : 60;
  const [isStarting, setStarting] = useState(false);
  const { runs, filter } = runList;
  const selected = runs.findIndex((run) => run.id === runList.selected);
  const search = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (runs.length === 0 && runList.hasMore && !runList.error) void runList.loadMore();
  }, []);
  // Rows that are inserted above do not move what a person reads.
  if (runList.inserted > 0) {
    if (runList.scrollTop > rowHeight) runList.scrollTop += runList.inserted * rowHeight;
    runList.inserted = 0;
  }
  useKeys((event) => {
    if (event.key === '/') search.current?.focus();
    else if (event.key === 'n') setStarting(true);
    else return;
    event.preventDefault();
  });
  const open = (index: number) => {
    const run = runs[index];
    if (!run) return;
    runList.selected = run.id;
    navigate(links.run(run.thread_id, run.id));
  };
  const [, render] = useState(0);
  const set = (change: () => void) => {
    change();
    render((version) => version + 1);
  };

  return (
    <main class="view view-list" id="main">
      <header class="view-header">
        <h1>Runs</h1>
        <Counts filter={filter} />
        <button type="button" class="button button-primary" onClick={() => setStarting(true)}>
          New run
        </button>
      </header>
      <Filters filter={filter} search={search} />
      {runList.error && <ErrorNote error={runList.error} />}
      <div class="list-head run-columns" aria-hidden="true">
        <span>Status</span>
        <span>Assistant</span>
        <span>Run</span>
        <span>Thread</span>
        <span>Model</span>
        <span>Metadata</span>
        <span class="numeric">Duration</span>
        <span class="numeric">Tokens</span>
        <span class="numeric">Age</span>
      </div>
      {runs.length === 0 && !runList.isLoading && !runList.error ? (
        <NoRuns filter={filter} />
      ) : (
        <VirtualList
          label="Runs, newest first"
          count={runs.length}
          rowHeight={rowHeight}
          selected={selected}
          scrollTop={runList.scrollTop}
          hasMore={runList.hasMore}
          id={(index) => runs[index]?.id ?? String(index)}
          row={(index) => <Row run={runs[index]} now={now} />}
          onSelect={(index) => set(() => (runList.selected = runs[index]?.id ?? null))}
          onOpen={open}
          onScroll={(top) => set(() => (runList.scrollTop = top))}
          onEnd={() => void runList.loadMore()}
        />
      )}
      <div class="list-foot" role="status">
        {runList.isLoading ? 'Loading…' : `${number(runs.length)}${runList.hasMore ? '+' : ''} ${runs.length === 1 ? 'run' : 'runs'}`}
        <span class="keys" aria-hidden="true">
          <kbd>↑</kbd>
          <kbd>↓</kbd> select <kbd>Enter</kbd> open <kbd>/</kbd> search <kbd>n</kbd> new run
        </span>
      </div>
      {isStarting && <StartRun onClose={() => setStarting(false)} />}
    </main>
  );
}

function Row({ run, now }: { run: Run | undefined; now: number }) {
  if (!run) return null;
  const tokens = run.usage?.total_tokens;
  return (
    <div class="run-columns run-row">
      <Status status={run.status} />
      <span class="ellipsis strong">{assistants.name(run.assistant_id)}</span>
      <span class="mono ellipsis" title={run.id}>{shortId(run.id)}</span>
      <span class="mono ellipsis muted" title={run.thread_id}>{shortId(run.thread_id)}</span>
      <span class="ellipsis muted">{run.model}</span>
      <span class="ellipsis muted">
        {Object.entries(run.metadata ?? {})
          .map(([name, value]) => `${name}=${value}`)
          .join('  ')}
      </span>
      <span class="numeric">{elapsed(run, now)}</span>
      <span class="numeric">{tokens === undefined || tokens === null ? '–' : compact(tokens)}</span>
      <span class="numeric muted" title={dateTime(run.created_at ?? 0)}>{age(run.created_at ?? now, now)}</span>
    </div>
  );
}

function NoRuns({ filter }: { filter: Filter }) {
  const isFiltered = JSON.stringify(filter) !== JSON.stringify(NO_FILTER);
  return isFiltered ? (
    <Empty title="No run matches these filters.">
      <button type="button" class="button" onClick={() => runList.setFilter(NO_FILTER)}>
        Clear the filters
      </button>
    </Empty>
  ) : (
    <Empty title="There are no runs yet.">
      <p>They appear here as soon as an application creates one. Press “New run” to create one by hand.</p>
    </Empty>
  );
}

/** The number of runs of each status, which select a status. */
function Counts({ filter }: { filter: Filter }) {
  const [counts, setCounts] = useState<RunCounts | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () => {
      timer = undefined;
      get<RunCounts>('runs/counts').then(setCounts, () => {});
    };
    load();
    const unsubscribe = feed.receive(() => {
      timer ??= setTimeout(load, 1000);
    });
    return () => {
      clearTimeout(timer);
      unsubscribe();
    };
  }, []);
  if (!counts) return <div class="counts" />;
  const toggle = (status: string) => {
    const isOn = filter.statuses.includes(status);
    const statuses = isOn ? filter.statuses.filter((other) => other !== status) : [...filter.statuses, status];
    runList.setFilter({ ...filter, statuses });
  };
  const present = STATUSES.filter((status) => (counts.statuses[status] ?? 0) > 0 || filter.statuses.includes(status));
  return (
    <div class="counts" role="group" aria-label="Filter by status">
      {present.map((status) => (
        <button
          key={status}
          type="button"
          class="count"
          aria-pressed={filter.statuses.includes(status)}
          onClick={() => toggle(status)}
        >
          <Status status={status} />
          <span class="count-number">{compact(counts.statuses[status] ?? 0)}</span>
        </button>
      ))}
    </div>
  );
}

function Filters({ filter, search }: { filter: Filter; search: { current: HTMLInputElement | null } }) {
  const [text, setText] = useState(filter.search);
  const [metadata, setMetadata] = useState(filter.metadata);
  // What this component has set. Other values come from elsewhere, such as a link.
  const sent = useRef({ search: filter.search, metadata: filter.metadata });
  useEffect(() => {
    if (filter.search !== sent.current.search) setText(filter.search);
    if (filter.metadata !== sent.current.metadata) setMetadata(filter.metadata);
    sent.current = { search: filter.search, metadata: filter.metadata };
  }, [filter]);
  // The server is asked when a person stops typing.
  useEffect(() => {
    const isValid = metadata === '' || parseMetadata(metadata) !== null;
    const timer = setTimeout(() => {
      if (!isValid) return;
      sent.current = { search: text.trim(), metadata: metadata.trim() };
      runList.setFilter({ ...runList.filter, ...sent.current });
    }, 250);
    return () => clearTimeout(timer);
  }, [text, metadata]);
  const isFiltered = JSON.stringify(filter) !== JSON.stringify(NO_FILTER);
  return (
    <div class="filters" role="search">
      <input
        ref={search}
        type="search"
        class="input grow"
        placeholder="Search ids, assistants, instructions, metadata"
        aria-label="Search runs"
        value={text}
        maxLength={256}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
      />
      <select
        class="input"
        aria-label="Filter by assistant"
        value={filter.assistant}
        onChange={(event) => runList.setFilter({ ...filter, assistant: event.currentTarget.value })}
      >
        <option value="">All assistants</option>
        {assistants.list.map((assistant) => (
          <option key={assistant.id} value={assistant.id}>
            {assistant.name || shortId(assistant.id)}
          </option>
        ))}
      </select>
      <input
        class="input metadata-filter"
        placeholder="metadata key=value"
        aria-label="Filter by metadata, as key=value"
        value={metadata}
        onInput={(event) => setMetadata(event.currentTarget.value)}
      />
      {filter.thread && (
        <button type="button" class="button" onClick={() => runList.setFilter({ ...filter, thread: '' })}>
          Thread {shortId(filter.thread)} ✕
        </button>
      )}
      {isFiltered && (
        <button type="button" class="button" onClick={() => runList.setFilter(NO_FILTER)}>
          Clear
        </button>
      )}
    </div>
  );
}
