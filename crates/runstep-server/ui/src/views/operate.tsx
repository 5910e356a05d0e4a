// How the server does: metrics, the newest runs over time, and the configuration.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { all, get, metricsText } from '../api/client';
import { STATUSES, type Run, type ServerInfo } from '../api/types';
import { ErrorNote, Loading } from '../components/basics';
import { JsonView } from '../components/json_view';
import { bytes, clock, compact, milliseconds, number, statusLabel } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { buckets, byLabel, parseMetrics, quantile, total, type Bucket, type Sample } from '../lib/metrics';

const INTERVAL = 5000;
/** How many of the newest runs the chart shows, and in how many columns. */
const MAX_RUNS = 500;
const COLUMNS = 36;

export function Operate() {
  useTitle('Operate');
  const [samples, setSamples] = useState<Sample[] | null>(null);
  const [runs, setRuns] = useState<Run[] | null>(null);
  const [server, setServer] = useState<ServerInfo | null>(null);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const load = () => {
      if (document.hidden) return;
      Promise.all([metricsText(), all<Run>('runs', MAX_RUNS)]).then(([text, runs]) => {
        setSamples(parseMetrics(text));
        setRuns(runs);
        setError(null);
      }, setError);
    };
    load();
    get<ServerInfo>('server').then(setServer, setError);
    const timer = setInterval(load, INTERVAL);
    return () => clearInterval(timer);
  }, []);
  return (
    <main class="view" id="main">
      <header class="view-header">
        <h1>Operate</h1>
        {server && <span class="muted">runstep-server {server.version}</span>}
      </header>
      {error && <ErrorNote error={error} />}
      {!samples && !error && <Loading />}
      {samples && <Tiles samples={samples} />}
      {runs && <RunsOverTime runs={runs} />}
      {samples && (
        <div class="card-grid">
          <Histogram title="Time to the first event of the model" histogram={buckets(samples, 'model_first_event_seconds')} />
          <Histogram title="Duration of runs" histogram={buckets(samples, 'run_duration_seconds')} />
          <Errors samples={samples} />
        </div>
      )}
      {server && <Configuration server={server} />}
    </main>
  );
}

function Tile({ label, value, note }: { label: string; value: ComponentChildren; note?: ComponentChildren }) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>
        <span class="tile-value">{value}</span>
        {note && <span class="muted small">{note}</span>}
      </dd>
    </div>
  );
}

function Tiles({ samples }: { samples: Sample[] }) {
  const tokens = Object.fromEntries(byLabel(samples, 'tokens_total', 'kind'));
  const first = buckets(samples, 'model_first_event_seconds');
  const median = quantile(first, 0.5);
  const slow = quantile(first, 0.95);
  const data = total(samples, 'data_bytes');
  return (
    <dl class="tiles">
      <Tile label="In progress" value={number(total(samples, 'runs_in_progress'))} note={`${number(total(samples, 'runs_queued'))} queued`} />
      <Tile label="Waiting for outputs" value={number(total(samples, 'runs_requiring_action'))} />
      <Tile
        label="First event, median"
        value={median === null ? '–' : milliseconds(median)}
        note={slow === null ? undefined : `95 % within ${milliseconds(slow)}`}
      />
      <Tile label="Tokens" value={compact((tokens.prompt ?? 0) + (tokens.completion ?? 0))} note={`${compact(tokens.prompt ?? 0)} in, ${compact(tokens.completion ?? 0)} out`} />
      <Tile label="Model errors" value={number(total(samples, 'model_errors_total'))} />
      <Tile label="Open streams" value={number(total(samples, 'open_streams'))} />
      <Tile
        label="Store"
        value={bytes(data > 0 ? data : total(samples, 'stored_bytes'))}
        note={data > 0 ? `${bytes(total(samples, 'wal_bytes'))} log, ${bytes(total(samples, 'stored_bytes'))} in memory` : 'in memory'}
      />
    </dl>
  );
}

/** The newest runs by the time of their creation, with their status. */
function RunsOverTime({ runs }: { runs: Run[] }) {
  if (runs.length === 0) return null;
  const times = runs.map((run) => run.created_at ?? 0);
  const start = Math.min(...times);
  const length = Math.max(Math.max(...times) - start, COLUMNS);
  const columns = Array.from({ length: COLUMNS }, () => new Map<string, number>());
  for (const run of runs) {
    const column = columns[Math.min(COLUMNS - 1, Math.floor((((run.created_at ?? 0) - start) / length) * COLUMNS))];
    column?.set(run.status, (column.get(run.status) ?? 0) + 1);
  }
  const highest = Math.max(...columns.map((column) => [...column.values()].reduce((sum, count) => sum + count, 0)));
  const present = STATUSES.filter((status) => runs.some((run) => run.status === status));
  return (
    <section class="card" aria-labelledby="chart-title">
      <header class="card-header">
        <h2 id="chart-title">Runs by status over time</h2>
        <ul class="legend">
          {present.map((status) => (
            <li key={status}>
              <span class={`swatch fill-${status}`} aria-hidden="true" />
              {statusLabel(status)}
            </li>
          ))}
        </ul>
      </header>
      <div class="chart" role="img" aria-label={`The newest ${runs.length} runs by time and status`}>
        {columns.map((column, index) => (
          <div key={index} class="chart-column">
            {present.map((status) => {
              const count = column.get(status) ?? 0;
              return count > 0 && <span key={status} class={`fill-${status}`} style={{ height: `${(count / highest) * 100}%` }} title={`${count} ${statusLabel(status)}`} />;
            })}
          </div>
        ))}
      </div>
      <div class="chart-axis muted small">
        <span>{clock(start)}</span>
        <span>the newest {number(runs.length)} runs, at most {number(highest)} per column</span>
        <span>{clock(start + length)}</span>
      </div>
    </section>
  );
}

function Histogram({ title, histogram }: { title: string; histogram: Bucket[] }) {
  const highest = Math.max(1, ...histogram.map((bucket) => bucket.count));
  return (
    <section class="card" aria-label={title}>
      <header class="card-header">
        <h2>{title}</h2>
      </header>
      <table class="histogram">
        <thead class="hidden">
          <tr>
            <th>Up to</th>
            <th>Share</th>
            <th>Count</th>
          </tr>
        </thead>
        <tbody>
          {histogram.map(({ upper, lower, count }) => (
            <tr key={upper}>
              <th scope="row">{upper === Infinity ? `> ${milliseconds(lower)}` : `≤ ${milliseconds(upper)}`}</th>
              <td>
                <span class="histogram-bar" style={{ width: `${(count / highest) * 100}%` }} />
              </td>
              <td class="numeric">{number(count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Errors({ samples }: { samples: Sample[] }) {
  const requests = samples.filter(({ name, labels }) => name === 'requests_total' && Number(labels.status) >= 400);
  const failed = requests.sort((a, b) => b.value - a.value).slice(0, 8);
  const model = byLabel(samples, 'model_errors_total', 'kind');
  return (
    <section class="card" aria-label="Errors">
      <header class="card-header">
        <h2>Errors</h2>
      </header>
      {model.length + failed.length === 0 && <p class="muted">None</p>}
      <table class="plain-table">
        <tbody>
          {model.map(([kind, count]) => (
            <tr key={kind}>
              <th scope="row">Model: {kind.replaceAll('_', ' ')}</th>
              <td class="numeric">{number(count)}</td>
            </tr>
          ))}
          {failed.map(({ labels, value }) => (
            <tr key={`${labels.operation}-${labels.status}`}>
              <th scope="row">
                {labels.operation} <span class="muted">{labels.status}</span>
              </th>
              <td class="numeric">{number(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Configuration({ server }: { server: ServerInfo }) {
  const { model, data, runs, limits, requires_key } = server;
  return (
    <section class="card" aria-label="Configuration">
      <header class="card-header">
        <h2>Configuration</h2>
        <span class="muted">without secrets</span>
      </header>
      <JsonView value={{ model, data, runs, limits, requires_key }} />
    </section>
  );
}
